#!/usr/bin/env python3
"""Runs microtome and nnU-Net side by side on the same images and prints a table: seconds, peak memory, agreement.

Whole processes are timed from start to exit; see measurement.py.

    python3 -m venv /tmp/rival && /tmp/rival/bin/pip install torch nnunetv2
    Benchmarks/predict.py --rival /tmp/rival --data ../shared/data
"""
import argparse, os, shutil, statistics, subprocess, tempfile
from pathlib import Path

from measurement import measure


def compare(rival, ours, theirs):
    """Lowest Dice of any label in any case, the mean of all, and the fraction of voxels that differ, computed by the rival's
    libraries."""
    script = """
import sys, glob, os, numpy as np, SimpleITK as sitk
ours, theirs = sys.argv[1:]
different = total = 0
scores = []
for path in sorted(glob.glob(theirs + "/*.nii.gz")):
    a = sitk.ReadImage(os.path.join(ours, os.path.basename(path)))
    b = sitk.ReadImage(path)
    for key in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection", "GetPixelID"):
        assert getattr(a, key)() == getattr(b, key)(), (path, key, getattr(a, key)(), getattr(b, key)())
    a, b = sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b)
    different += int((a != b).sum()); total += a.size
    for label in np.unique(b):
        p, q = a == label, b == label
        if label > 0:
            scores.append(2 * float((p & q).sum()) / float(p.sum() + q.sum()))
print(min(scores), np.mean(scores), different / total)
"""
    out = subprocess.check_output([rival / "bin/python", "-c", script, ours, theirs]).decode().split()
    return tuple(map(float, out))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", type=Path, required=True, help="a virtual environment with nnunetv2")
    parser.add_argument("--data", type=Path, required=True, help="the folder with models and images")
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--only", help="only rows whose name contains this")
    parser.add_argument("--precisions", default="fp32", help="comma-separated: fp32,bf16")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    hippocampus = data / "Dataset004_Hippocampus/imagesTs"
    models = data / "models"
    plain = models / "Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_fullres"
    # name, model, images, how many (None for all), arguments of both
    rows = [
        ("3d_fullres, 12 cases, TTA", plain, hippocampus, 12, ["-f", "0"]),
        ("3d_fullres, 2 folds, 12 cases, TTA", plain, hippocampus, 12, ["-f", "0", "1"]),
        ("3d_fullres, 1 case, no TTA", plain, hippocampus, 1, ["-f", "0", "--disable_tta"]),
        ("2d, 12 cases, TTA", models / "Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__2d", hippocampus, 12,
         ["-f", "0"]),
        ("ResEnc anisotropic, 12 cases, TTA",
         models / "Dataset005_HippoAniso/nnUNetTrainer__nnUNetResEncUNetMPlans__3d_fullres",
         data / "Dataset005_HippoAniso/imagesTs", 12, ["-f", "0"]),
        ("3d_lowres, 12 cases, TTA", models / "Dataset006_HippoCascade/nnUNetTrainer__nnUNetPlans__3d_lowres",
         hippocampus, 12, ["-f", "0"]),
        ("regions, 12 cases, TTA", models / "Dataset007_HippoRegions/nnUNetTrainer__nnUNetPlans__3d_fullres",
         hippocampus, 12, ["-f", "0"]),
        ("phantom CT, 1 case", data / "phantom/model/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres",
         data / "phantom/images", 1, ["-f", "0"]),
    ]
    environment = dict(os.environ, nnUNet_raw="/tmp", nnUNet_preprocessed="/tmp", nnUNet_results="/tmp")
    print("| case | rival s | ours s | times | rival MiB | ours MiB | lowest Dice | mean Dice | voxels differing |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        for name, model, images, count, extra in rows:
            if arguments.only and arguments.only not in name:
                continue
            folder = work / "images"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for path in sorted(images.glob("*.nii.gz"))[:count]:
                (folder / path.name).symlink_to(path)
            theirs, ours = work / "theirs", work / "ours"
            rival = [arguments.rival / "bin/nnUNetv2_predict_from_modelfolder", "-device", "cpu"]
            common = ["-i", folder, "-m", model] + extra
            precisions = arguments.precisions.split(",")
            samples = {"rival": []} | {precision: [] for precision in precisions}
            for _ in range(arguments.repeats):
                # Alternating, so that a noisy neighbour hits both.
                shutil.rmtree(theirs, ignore_errors=True)
                samples["rival"].append(measure(rival + common + ["-o", theirs], environment))
                for precision in precisions:
                    out = Path(f"{ours}-{precision}")
                    shutil.rmtree(out, ignore_errors=True)
                    samples[precision].append(measure(
                        [arguments.microtome, "predict", "--precision", precision] + common + ["-o", out],
                        environment))
            rival_seconds = statistics.median(s for s, _ in samples["rival"])
            rival_memory = max(m for _, m in samples["rival"])
            for precision in precisions:
                seconds = statistics.median(s for s, _ in samples[precision])
                peak = max(m for _, m in samples[precision])
                lowest, mean, different = compare(arguments.rival, Path(f"{ours}-{precision}"), theirs)
                print(f"| {name}, {precision} | {rival_seconds:.2f} | {seconds:.2f} | {rival_seconds / seconds:.1f} | "
                      f"{rival_memory / 2**20:.0f} | {peak / 2**20:.0f} | {lowest:.5f} | {mean:.5f} | "
                      f"{100 * different:.4f} % |", flush=True)


if __name__ == "__main__":
    main()
