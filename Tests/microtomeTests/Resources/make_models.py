#!/usr/bin/env python3
"""Makes the models and checkpoints beside this script.

Needs a Python with torch and nnunetv2. Everything is random; the files are committed so that tests need neither.

    python Tests/microtomeTests/Resources/make_models.py
"""
import io, json, pickle, shutil, subprocess, sys, zipfile
from pathlib import Path

import torch

here = Path(__file__).resolve().parent
maker = here.parents[2] / "Benchmarks" / "make_model.py"


def make(folder, *options):
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, maker, folder, "--features", "2,4", "--patch", "16,16,16", *options], check=True)
    return folder


def main():
    # What the tests run: two folds, three classes, mirroring over all axes.
    make(here / "model", "--classes", "3", "--mirror", "0,1,2", "--folds", "2")

    checkpoints = here / "checkpoints"
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.mkdir()
    scratch = here / "scratch"
    for name, options in {
        "more_classes": ["--classes", "4"], "more_channels": ["--classes", "3", "--channels", "2"],
        "more_features": ["--classes", "3", "--features", "2,5"], "planar": ["--classes", "3", "--patch", "16,16"],
    }.items():
        checkpoint = torch.load(make(scratch, *options) / "fold_0" / "checkpoint_final.pth", weights_only=False)
        # Their plans would say that all is well.
        checkpoint["init_args"]["configuration"] = "3d_fullres"
        torch.save(checkpoint, checkpoints / f"{name}.pth")

    # A cascade: the second stage sees the image and one channel for each of two foreground labels.
    cascade = here / "cascade"
    shutil.rmtree(cascade, ignore_errors=True)
    first = make(cascade / "nnUNetTrainer__nnUNetPlans__3d_lowres", "--classes", "3")
    second = make(cascade / "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres", "--classes", "3", "--channels", "3")
    plans = json.loads((first / "plans.json").read_text())
    full = plans["configurations"].pop("3d_fullres")
    plans["configurations"] = {
        "3d_lowres": full | {"spacing": [2.0, 2.0, 2.0]},
        "3d_cascade_fullres": {"inherits_from": "3d_lowres", "spacing": [1.0, 1.0, 1.0], "previous_stage": "3d_lowres"}}
    dataset = json.loads((first / "dataset.json").read_text())
    for folder, configuration in ((first, "3d_lowres"), (second, "3d_cascade_fullres")):
        for name, content in (("plans.json", plans), ("dataset.json", dataset)):
            (folder / name).write_text(json.dumps(content, indent=1))
        path = folder / "fold_0" / "checkpoint_final.pth"
        checkpoint = torch.load(path, weights_only=False)
        checkpoint["init_args"].update(plans=plans, configuration=configuration, dataset_json=dataset)
        torch.save(checkpoint, path)

    # A valid file of another program.
    torch.save({"epoch": 3, "model": {"fc.weight": torch.zeros(2, 3)}}, checkpoints / "foreign.pth")

    # A checkpoint that would run a command if it were unpickled the usual way.
    class Command:
        def __reduce__(self):
            import os
            return os.system, ("touch /tmp/microtome-was-here",)

    def rewritten(name, change):
        """A copy of the model's checkpoint, entry by entry."""
        with zipfile.ZipFile(here / "model" / "fold_0" / "checkpoint_final.pth") as source:
            with zipfile.ZipFile(checkpoints / name, "w", zipfile.ZIP_STORED) as target:
                for entry in source.namelist():
                    path, content = change(entry, source.read(entry))
                    target.writestr(path, content)

    attack = pickle.dumps({"network_weights": Command()}, protocol=2)
    rewritten("command.pth", lambda path, content: (path, attack if path.endswith("data.pkl") else content))
    rewritten("climbing.pth", lambda path, content: ("../" * 8 + "tmp/" + path, content))
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
