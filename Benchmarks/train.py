#!/usr/bin/env python3
"""Trains a preprocessed dataset with microtome and with nnU-Net's own trainer, for the same few iterations, on the
processor, and prints a table: seconds of an iteration with everything around it (augmentation, losses, clipping, the
step), and the mean foreground Dice of the final validation.

The seconds are those of epochs as each tool writes them into its log, by their batches. The first epoch of each training
is left out, so that start-up does not count; of the others, from all seeds together, the median is taken, because the
tools take turns on a machine that may not be steady. Both train in single precision on all cores.

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
    parser.add_argument("--seeds", default="0", help="one training of each tool for each")
    parser.add_argument("--no-validation", action="store_true", help="only times, no Dice")
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    arguments = parser.parse_args()
    folders = glob.glob(str(arguments.preprocessed / f"Dataset{int(arguments.dataset):03d}_*"))
    if len(folders) != 1:
        sys.exit(f"no dataset {arguments.dataset} in {arguments.preprocessed}")
    if arguments.epochs < 2:
        sys.exit("the first epoch does not count: at least two are needed")
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
                times = [time / batches for time in epoch_times(work / "results")[1:]]
                rows.append((tool, times, dice(work / "results")))
                seconds = " ".join(f"{time:.2f}" for time in times)
                print(f"{tool}, seed {seed}: {seconds} s an iteration, Dice {rows[-1][2]:.4f}", flush=True)
    print("| tool | s an iteration | mean foreground Dice |")
    print("|---|---|---|")
    medians = {}
    for tool in ("nnU-Net", "microtome"):
        own = [row for row in rows if row[0] == tool]
        medians[tool] = statistics.median(time for row in own for time in row[1])
        scores = ", ".join(f"{row[2]:.4f}" for row in own)
        print(f"| {tool} | {medians[tool]:.2f} | {scores} |")
    print(f"microtome is {medians['nnU-Net'] / medians['microtome']:.2f} times as fast")


main()
