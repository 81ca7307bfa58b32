#!/usr/bin/env python3
"""Distils students of several sizes in several ways, and prints what they are worth: Dice on held-out test images, size,
seconds a case and memory, beside the teacher and, with --rival, nnU-Net running the teacher on the same images in the
same run.

Every network has the same number of steps. The ways differ in what the student begins with (the teacher's channels, or
random numbers) and in what it learns from (labels and the teachers' answers, or labels only). Started again, it goes on
where training was interrupted; processor time is that of the last start.

    nnUNet_preprocessed=PRE nnUNet_results=RESULTS Benchmarks/distill.py --dataset 4 --rival /tmp/rival \\
      --images ../shared/data/Dataset004_Hippocampus/imagesTs --labels ../shared/data/Dataset004_Hippocampus/labelsTs \\
      --calibration ../shared/data/Dataset004_Hippocampus/imagesTr
"""
import argparse, json, os, re, subprocess, sys, tempfile
from pathlib import Path
from measurement import measure

# Name of the run: what the table calls it, whether the teachers are asked, what the student begins with.
WAYS = {
    "channels_answers": ("channels and answers", True, "teacher"),
    "channels": ("channels", False, "teacher"),
    "answers": ("answers", True, "random"),
    "labels": ("no teacher", False, "random"),
}
COLUMNS = ["network", "M parameters", "GFLOP a patch", "mean Dice", "by label", "training, CPU min",
           "s a case", "s a case, no mirroring", "MiB"]


def cpu_seconds(command):
    """Runs a command; its processor time."""
    process = subprocess.Popen([str(part) for part in command], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return usage.ru_utime + usage.ru_stime


class Bench:
    def __init__(self, arguments, work):
        self.arguments, self.work, self.count = arguments, work, 0
        self.microtome = arguments.microtome.resolve()
        self.images = sorted(arguments.images.iterdir())
        self.timed = work / "timed"
        self.timed.mkdir()
        self.link(self.images[:arguments.timed], self.timed)
        self.calibration = work / "calibration"
        if arguments.calibration:
            self.link(sorted(arguments.calibration.iterdir())[:8], self.calibration)

    def link(self, images, folder):
        folder.mkdir(exist_ok=True)
        for image in images:
            (folder / image.name).symlink_to(image.resolve())

    def output(self):
        self.count += 1
        return self.work / f"out{self.count}"

    def predict(self, images, extra, program=None):
        """Seconds and bytes of a whole process, and where its labels lie."""
        out = self.output()
        seconds, peak = measure((program or [self.microtome, "predict"]) + ["-i", images, "-o", out] + extra, os.environ)
        return seconds, peak, out

    def dice(self, labels, folder):
        summary = self.output()
        cpu_seconds([self.microtome, "evaluate", self.arguments.labels, labels, "-djfile", folder / "dataset.json",
                     "-pfile", folder / "plans.json", "-o", summary])
        summary = json.loads(summary.read_text())
        means = [figures["Dice"] for key, figures in summary["mean"].items() if key != "0"]
        return [summary["foreground_mean"]["Dice"]] + means

    def row(self, name, folder, extra, size="", minutes="", program=None):
        """Dice on all images, seconds and memory on some of them."""
        seconds, peak, _ = self.predict(self.timed, extra, program)
        plain, _, _ = self.predict(self.timed, extra + ["--disable_tta"], program)
        # Another program with the same model need not segment everything.
        scores = [] if program else self.dice(self.predict(self.arguments.images, extra)[2], folder)
        scores = [f"{score:.4f}" for score in scores]
        count = self.arguments.timed
        cells = [name, size, "".join(scores[:1]), " ".join(scores[1:]), minutes,
                 f"{seconds / count:.3f}", f"{plain / count:.3f}", f"{peak / 2**20:.0f}"]
        print("| " + " | ".join(cells) + " |", flush=True)

    def size(self, folder, folds):
        """Parameters in millions and GFLOP of one patch, of all folds together: two cells."""
        text = subprocess.check_output(
            [self.microtome, "predict", "--explain", "-i", self.images[0], "-o", "/nowhere", "-m", folder, "-f"] + folds,
            text=True)
        flops, parameters = re.search(r"([0-9.]+) GFLOP, ([0-9.]+) M parameters", text).groups()
        return f"{float(parameters) * len(folds):.2f} | {float(flops) * len(folds):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, help="images, eight of which calibrate int8 students; without them there are none")
    parser.add_argument("--rival", type=Path, help="a virtual environment with torch and nnunetv2")
    parser.add_argument("--timed", type=int, default=12, help="so many images are timed")
    parser.add_argument("--teacher-folds", nargs="+", default=["0", "1"])
    parser.add_argument("--reductions", type=int, nargs="+", default=[2, 4, 6])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--epochs", default=16)
    parser.add_argument("--iterations", default=25)
    parser.add_argument("--pool", type=int, help="draw so many batches once, instead of new ones")
    parser.add_argument("--alpha", default=0.3)
    parser.add_argument("--temperature", default=3)
    parser.add_argument("--threads", default=os.cpu_count())
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    arguments = parser.parse_args()
    root = Path(os.environ["nnUNet_results"])
    dataset = next(root.glob(f"Dataset{int(arguments.dataset):03d}_*"))
    teacher = dataset / f"nnUNetTrainer__nnUNetPlans__{arguments.configuration}"
    folds = arguments.teacher_folds
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(arguments, Path(work))
        model = ["-m", teacher, "-f"] + folds
        if arguments.rival:
            bench.row("teacher, nnU-Net", teacher, model + ["-device", "cpu"], size=bench.size(teacher, folds),
                      program=[arguments.rival / "bin/nnUNetv2_predict_from_modelfolder"])
        bench.row("teacher, Microtome", teacher, model, size=bench.size(teacher, folds))
        for reduction in arguments.reductions:
            for way in arguments.ways:
                title, asks, beginning = WAYS[way]
                suffix = f"r{reduction}_{way}"
                seconds = cpu_seconds([
                    bench.microtome, "distill", "-d", arguments.dataset, "-c", arguments.configuration, "-t", teacher,
                    "-tf", *folds, "-r", reduction, "-a", arguments.alpha if asks else 0, "-temp",
                    arguments.temperature, "--init", beginning, "-e", arguments.epochs, "--iterations-per-epoch",
                    arguments.iterations, "--validation-iterations", 4, "--seed", 1, "--suffix", suffix,
                    "--no-teacher-validation", "-disable_mirroring", "--threads", arguments.threads, "--save-every", 2,
                    "-c_continue"] + (["--batch-pool", arguments.pool] if arguments.pool else []))
                student = dataset / f"nnUNetDistillationTrainer_{suffix}__nnUNetPlans__{arguments.configuration}"
                size = bench.size(student, ["0"])
                bench.row(f"r = {reduction}, {title}", student, ["-m", student, "-f", "0"], size, f"{seconds / 60:.1f}")
                if arguments.calibration and way == arguments.ways[0]:
                    file = bench.output().with_suffix(".onnx")
                    cpu_seconds([bench.microtome, "export", "-m", student, "-o", file, "-f", "0", "--int8",
                                 "--exact-results", "--calibration", bench.calibration])
                    bench.row(f"r = {reduction}, {title}, int8", student, ["-m", file], size)


if __name__ == "__main__":
    main()
