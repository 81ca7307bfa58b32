#!/usr/bin/env python3
"""Trains a preprocessed dataset with microtome and with nnU-Net's own trainer, for the same few iterations, on the
processor, and prints a table: seconds of an iteration with everything around it (augmentation, losses, clipping, the
step), and the mean foreground Dice of the final validation.

The seconds are those of the last epoch as each tool writes them into its log, by its batches, so that start-up does
not count. Both train in single precision on all cores.

    python3 -m venv /tmp/rival && /tmp/rival/bin/pip install torch nnunetv2
    Benchmarks/train.py --rival /tmp/rival --preprocessed nnUNet_preprocessed --dataset 4 --seeds 0,1,2
"""
import argparse, glob, json, os, re, statistics, subprocess, sys, tempfile
from pathlib import Path

TRAINER = """
import json, os, sys, torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from batchgenerators.utilities.file_and_folder_operations import load_json
if __name__ == "__main__":
    folder, configuration, plans, fold, epochs, iterations, validations, seed, validates = sys.argv[1:]
    torch.manual_seed(int(seed))
    plans = load_json(os.path.join(folder, plans + ".json"))
    plans["continue_training"] = False
    trainer = nnUNetTrainer(
        plans, configuration, int(fold), load_json(os.path.join(folder, "dataset.json")), torch.device("cpu"))
    trainer.num_epochs = int(epochs)
    trainer.num_iterations_per_epoch = int(iterations)
    trainer.num_val_iterations_per_epoch = int(validations)
    trainer.run_training()
    if validates == "1":
        trainer.perform_actual_validation(False)
"""


def epoch_times(folder):
    logs = glob.glob(str(folder / "*/*/fold_*/training_log*.txt"))
    if len(logs) != 1:
        sys.exit(f"expected one log below {folder}, found {logs}")
    text = Path(logs[0]).read_text()
    return [float(time) for time in re.findall(r"Epoch time: ([0-9.]+) s", text)]


def dice(folder):
    found = glob.glob(str(folder / "*/*/fold_*/validation/summary.json"))
    return json.loads(Path(found[0]).read_text())["foreground_mean"]["Dice"] if found else float("nan")


def run(command, environment):
    process = subprocess.run(
        [str(part) for part in command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed:\n{process.stdout.decode(errors='replace')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", type=Path, required=True, help="a virtual environment with torch and nnunetv2")
    parser.add_argument("--preprocessed", type=Path, required=True, help="nnUNet_preprocessed")
    parser.add_argument("--dataset", default="4")
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--plans", default="nnUNetPlans")
    parser.add_argument("--fold", default="0")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--validation-iterations", type=int, default=1)
    parser.add_argument("--seeds", default="0", help="one training of each tool for each; the medians count")
    parser.add_argument("--no-validation", action="store_true", help="only times, no Dice")
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    arguments = parser.parse_args()
    folders = glob.glob(str(arguments.preprocessed / f"Dataset{int(arguments.dataset):03d}_*"))
    if len(folders) != 1:
        sys.exit(f"no dataset {arguments.dataset} in {arguments.preprocessed}")
    batches = arguments.iterations + arguments.validation_iterations
    rows = []
    for seed in arguments.seeds.split(","):
        for tool in ("nnU-Net", "microtome"):
            with tempfile.TemporaryDirectory() as work:
                work = Path(work)
                environment = dict(
                    os.environ, nnUNet_preprocessed=str(arguments.preprocessed.resolve()), nnUNet_raw=str(work),
                    nnUNet_results=str(work / "results"), VIRTUAL_ENV=str(arguments.rival))
                (work / "results").mkdir()
                if tool == "nnU-Net":
                    script = work / "trainer.py"
                    script.write_text(TRAINER)
                    run([arguments.rival / "bin/python", script, folders[0], arguments.configuration, arguments.plans,
                         arguments.fold, arguments.epochs, arguments.iterations, arguments.validation_iterations, seed,
                         int(not arguments.no_validation)], environment)
                else:
                    run([arguments.microtome, "train", arguments.dataset, arguments.configuration, arguments.fold,
                         "-p", arguments.plans, "-device", "cpu", "--engine", "torch", "--precision", "fp32",
                         "--seed", seed, "--epochs", arguments.epochs, "--iterations-per-epoch", arguments.iterations,
                         "--validation-iterations", arguments.validation_iterations], environment)
                rows.append((tool, seed, epoch_times(work / "results")[-1] / batches, dice(work / "results")))
                print(f"{tool}, seed {seed}: {rows[-1][2]:.2f} s an iteration, Dice {rows[-1][3]:.4f}", flush=True)
    print("| tool | s an iteration | mean foreground Dice |")
    print("|---|---|---|")
    times = {}
    for tool in ("nnU-Net", "microtome"):
        own = [row for row in rows if row[0] == tool]
        times[tool] = statistics.median(row[2] for row in own)
        scores = ", ".join(f"{row[3]:.4f}" for row in own)
        print(f"| {tool} | {times[tool]:.2f} | {scores} |")
    print(f"microtome is {times['nnU-Net'] / times['microtome']:.2f} times as fast")


main()
