#!/usr/bin/env python3
"""Distils students of several sizes, trains the same networks without a teacher, and prints what they are worth.

Every network has the same few training batches, drawn once (--batch-pool), and the same number of steps. Dice is that of
held-out test images, with mirroring. Started again, it goes on where it was interrupted; processor time is that of the last
start.

    nnUNet_preprocessed=PRE nnUNet_results=RESULTS Benchmarks/distill.py --dataset 4 \\
      --images ../shared/data/Dataset004_Hippocampus/imagesTs --labels ../shared/data/Dataset004_Hippocampus/labelsTs
"""
import argparse, json, os, re, subprocess, sys, tempfile
from pathlib import Path


def cpu_seconds(command):
    """Runs a command; its processor time."""
    process = subprocess.Popen([str(part) for part in command], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return usage.ru_utime + usage.ru_stime


def dice(microtome, model, images, labels, folds, work):
    """Mean Dice and that of each label on the test images."""
    out = work / model.name
    cpu_seconds([microtome, "predict", "-i", images, "-o", out, "-m", model, "-f"] + folds)
    summary = work / f"{model.name}.json"
    cpu_seconds([microtome, "evaluate", labels, out, "-djfile", model / "dataset.json", "-pfile", model / "plans.json",
                 "-o", summary])
    summary = json.loads(summary.read_text())
    means = [figures["Dice"] for key, figures in summary["mean"].items() if key != "0"]
    return [summary["foreground_mean"]["Dice"]] + means


def size(microtome, model, images, folds):
    """Parameters in millions, and GFLOP of one patch, of all folds together."""
    text = subprocess.check_output(
        [microtome, "predict", "--explain", "-i", images, "-o", "/nowhere", "-m", model, "-f"] + folds, text=True)
    flops, parameters = re.search(r"([0-9.]+) GFLOP, ([0-9.]+) M parameters", text).groups()
    return float(parameters) * len(folds), float(flops) * len(folds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--teacher-folds", nargs="+", default=["0", "1"])
    parser.add_argument("--reductions", type=int, nargs="+", default=[4, 6, 2])
    parser.add_argument("--epochs", default=80)
    parser.add_argument("--iterations", default=25)
    parser.add_argument("--pool", default=60)
    parser.add_argument("--alpha", default=0.3)
    parser.add_argument("--temperature", default=3)
    parser.add_argument("--threads", default=os.cpu_count())
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    arguments = parser.parse_args()
    microtome = arguments.microtome.resolve()
    root = Path(os.environ["nnUNet_results"])
    dataset = next(root.glob(f"Dataset{int(arguments.dataset):03d}_*"))
    one = arguments.images / sorted(os.listdir(arguments.images))[0]
    print("| network | M parameters | GFLOP a patch | mean Dice | Dice by label | training, CPU min |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)

        def row(name, model, folds, seconds):
            scores = dice(microtome, model, arguments.images, arguments.labels, folds, work)
            parameters, flops = size(microtome, model, one, folds)
            by_label = " ".join(f"{score:.4f}" for score in scores[1:])
            minutes = "" if seconds is None else f"{seconds / 60:.1f}"
            print(f"| {name} | {parameters:.1f} | {flops:.1f} | {scores[0]:.4f} | {by_label} | {minutes} |", flush=True)

        teacher = dataset / f"nnUNetTrainer__nnUNetPlans__{arguments.configuration}"
        for reduction in arguments.reductions:
            for alpha, mean in [(arguments.alpha, "voxels"), (arguments.alpha, "elements"), (0, "voxels")]:
                suffix = f"r{reduction}_a{alpha}" + ("_elements" if mean == "elements" else "")
                seconds = cpu_seconds([
                    microtome, "distill", "-d", arguments.dataset, "-c", arguments.configuration, "-t", teacher, "-tf",
                    *arguments.teacher_folds, "-r", reduction, "-a", alpha, "-temp", arguments.temperature, "-e",
                    arguments.epochs, "--iterations-per-epoch", arguments.iterations, "--validation-iterations", 4,
                    "--batch-pool", arguments.pool, "--seed", 1, "--suffix", suffix, "--no-teacher-validation",
                    "-disable_mirroring", "--kd-mean", mean, "--threads", arguments.threads, "--save-every", 2,
                    "-c_continue"])
                model = dataset / f"nnUNetDistillationTrainer_{suffix}__nnUNetPlans__{arguments.configuration}"
                teaching = f"alpha {alpha}, mean over {mean}" if alpha else "no teacher"
                row(f"r = {reduction}, {teaching}", model, ["0"], seconds)
        row(f"teacher, {len(arguments.teacher_folds)} folds", teacher, arguments.teacher_folds, None)


if __name__ == "__main__":
    main()
