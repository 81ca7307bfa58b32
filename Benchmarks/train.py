#!/usr/bin/env python3
"""Trains a preprocessed dataset with microtome and with nnU-Net's own trainer, for the same few iterations, on the
same device, and prints a table: seconds of an iteration with everything around it (augmentation, losses, clipping, the
step), and the mean foreground Dice of the final validation.

Both trainings are alive at the same time and run in turns, an epoch each, while the other one is stopped: a machine
that is slower now than a minute ago is so for both. The first epoch of each does not count, since it holds the start-up;
of the others the medians are taken. On the processor both train on all cores, in single precision unless --precision says
otherwise; on a graphics processor each trains as it does by default.

    python3 -m venv /tmp/rival && /tmp/rival/bin/pip install torch nnunetv2
    Benchmarks/train.py --rival /tmp/rival --preprocessed nnUNet_preprocessed --dataset 4 --seeds 0,1,2
"""
import argparse, glob, json, os, re, signal, statistics, subprocess, sys, tempfile, time
from pathlib import Path

TRAINER = """
import json, os, sys, torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from batchgenerators.utilities.file_and_folder_operations import load_json
if __name__ == "__main__":
    folder, configuration, plans, fold, epochs, iterations, validations, seed, validates, device = sys.argv[1:]
    torch.manual_seed(int(seed))
    plans = load_json(os.path.join(folder, plans + ".json"))
    plans["continue_training"] = False
    trainer = nnUNetTrainer(
        plans, configuration, int(fold), load_json(os.path.join(folder, "dataset.json")), torch.device(device))
    trainer.num_epochs = int(epochs)
    trainer.num_iterations_per_epoch = int(iterations)
    trainer.num_val_iterations_per_epoch = int(validations)
    trainer.run_training()
    if validates == "1":
        trainer.perform_actual_validation(False)
"""


class Training:
    """One tool's training, which runs only while it has its turn."""

    def __init__(self, name, command, environment, work):
        self.name, self.results, self.output = name, work / "results", work / "output"
        self.results.mkdir(parents=True)
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command], env=dict(environment, nnUNet_results=str(self.results)), stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
        self.signal(signal.SIGSTOP)

    def signal(self, number):
        # The session holds the processes that prepare batches too.
        os.killpg(self.process.pid, number)

    def epochs(self):
        logs = glob.glob(str(self.results / "*/*/fold_*/training_log*.txt"))
        return sum(len(re.findall(r"Epoch time: ", Path(log).read_text())) for log in logs)

    def fail(self):
        sys.exit(f"{self.name} failed:\n{self.output.read_text(errors='replace')}")

    def epoch(self):
        """Runs until one more epoch is finished; its seconds."""
        count = self.epochs()
        start = time.monotonic()
        self.signal(signal.SIGCONT)
        while self.epochs() == count:
            if self.process.poll() is not None:
                self.fail()
            time.sleep(0.02)
        seconds = time.monotonic() - start
        self.signal(signal.SIGSTOP)
        return seconds

    def finish(self):
        """Runs to the end; the Dice of the final validation, or nan."""
        self.signal(signal.SIGCONT)
        if self.process.wait() != 0:
            self.fail()
        found = glob.glob(str(self.results / "*/*/fold_*/validation/summary.json"))
        return json.loads(Path(found[0]).read_text())["foreground_mean"]["Dice"] if found else float("nan")

    def kill(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()


def commands(arguments, folder, seed, script):
    """What each tool is started with."""
    precision = arguments.precision or ("fp32" if arguments.device == "cpu" else "auto")
    length = [arguments.epochs, arguments.iterations, arguments.validation_iterations]
    return {
        "nnU-Net": [arguments.rival / "bin/python", script, folder, arguments.configuration, arguments.plans,
                    arguments.fold, *length, seed, int(not arguments.no_validation), arguments.device],
        "microtome": [arguments.microtome.resolve(), "train", arguments.dataset, arguments.configuration, arguments.fold,
                      "-p", arguments.plans, "-device", arguments.device, "--engine", "torch", "--precision", precision,
                      "--seed", seed, "--epochs", length[0], "--iterations-per-epoch", length[1],
                      "--validation-iterations", length[2]],
    }


def compare(arguments, folder, seed, work):
    """Trains with both tools in turns; the seconds of an iteration, epoch by epoch, and the Dice of each."""
    script = work / "trainer.py"
    script.write_text(TRAINER)
    environment = dict(os.environ, nnUNet_preprocessed=str(arguments.preprocessed.resolve()), nnUNet_raw=str(work),
                       VIRTUAL_ENV=str(arguments.rival))
    batches = arguments.iterations + arguments.validation_iterations
    trainings = []
    try:
        for name, command in commands(arguments, folder, seed, script).items():
            trainings.append(Training(name, command, environment, work / name))
        times = [[training.epoch() / batches for training in trainings] for _ in range(arguments.epochs)]
        scores = [training.finish() for training in trainings]
    finally:
        for training in trainings:
            training.kill()
    for training, own, score in zip(trainings, zip(*times), scores):
        seconds = " ".join(f"{time:.2f}" for time in own)
        print(f"{training.name}, seed {seed}: {seconds} s an iteration, Dice {score:.4f}", flush=True)
    return times[1:], scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", type=Path, required=True, help="a virtual environment with torch and nnunetv2")
    parser.add_argument("--preprocessed", type=Path, required=True, help="nnUNet_preprocessed")
    parser.add_argument("--dataset", default="4")
    parser.add_argument("--configuration", default="3d_fullres")
    parser.add_argument("--plans", default="nnUNetPlans")
    parser.add_argument("--fold", default="0")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--validation-iterations", type=int, default=1)
    parser.add_argument("--seeds", default="0", help="one training of each tool for each")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", help="of microtome; on the processor nnU-Net has no other than fp32")
    parser.add_argument("--no-validation", action="store_true", help="nnU-Net does without its final validation")
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    arguments = parser.parse_args()
    folders = glob.glob(str(arguments.preprocessed / f"Dataset{int(arguments.dataset):03d}_*"))
    if len(folders) != 1:
        sys.exit(f"no dataset {arguments.dataset} in {arguments.preprocessed}")
    if arguments.epochs < 2:
        sys.exit("the first epoch does not count: at least two are needed")
    times, scores = [], []
    for seed in arguments.seeds.split(","):
        with tempfile.TemporaryDirectory() as work:
            own = compare(arguments, folders[0], seed, Path(work))
            times += own[0]
            scores.append(own[1])
    print("| tool | s an iteration | mean foreground Dice |\n|---|---|---|")
    for name, own, dice in zip(["nnU-Net", "microtome"], zip(*times), zip(*scores)):
        print(f"| {name} | {statistics.median(own):.2f} | {', '.join(f'{score:.4f}' for score in dice)} |")
    ratios = sorted(rival / own for rival, own in times)
    print(f"microtome is {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f} in "
          f"{len(ratios)} pairs of epochs)")


main()
