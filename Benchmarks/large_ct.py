#!/usr/bin/env python3
"""The memory test: a synthetic CT of 512 x 512 x 500 voxels, a network of 118 classes at 1.5 mm, and the peak it takes.

    Benchmarks/large_ct.py --python /tmp/rival/bin/python --work /tmp/large

The image and the model are made once, with a Python that has nnunetv2 and SimpleITK, and kept in the work folder.
"""
import argparse, os, resource, subprocess, sys, time
from pathlib import Path

MAKE_IMAGE = """
import sys, numpy as np, SimpleITK as sitk
path, size = sys.argv[1], [int(n) for n in sys.argv[2].split("x")]
generator = np.random.default_rng(0)
coarse = generator.normal(0, 300, [n // 20 + 3 for n in size]).astype(np.float32)
image = sitk.GetImageFromArray(coarse)
image.SetSpacing([20.0] * 3)
smooth = sitk.Resample(image, size[::-1], sitk.Transform(), sitk.sitkBSpline, [10.0] * 3, [1.0] * 3)
voxels = sitk.GetArrayFromImage(smooth)
for z in range(size[0]):
    voxels[z] += generator.normal(0, 20, size[1:])
out = sitk.GetImageFromArray(np.clip(voxels, -1024, 3000).astype(np.int16))
out.SetSpacing([0.75, 0.75, 1.0])
sitk.WriteImage(out, path, True)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    parser.add_argument("--size", default="500x512x512", help="voxels, ZxYxX")
    parser.add_argument("--patch", default="96,96,96")
    arguments = parser.parse_args()
    images, model = arguments.work / f"images-{arguments.size}", arguments.work / f"model-{arguments.patch}"
    image = images / "large_0000.nii.gz"
    if not image.exists():
        images.mkdir(parents=True, exist_ok=True)
        subprocess.check_call([arguments.python, "-c", MAKE_IMAGE, image, arguments.size])
    if not model.exists():
        subprocess.check_call([
            arguments.python, Path(__file__).parent / "make_model.py", model, "--classes", "118", "--features",
            "8,16,32,64", "--patch", arguments.patch, "--spacing", "1.5,1.5,1.5", "--scheme", "CTNormalization"])
    started = time.perf_counter()
    subprocess.check_call([
        arguments.microtome, "predict", "-i", images, "-o", arguments.work / "out", "-m", model, "-f", "0", "--verbose"])
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{arguments.size}, 118 classes: {seconds:.1f} s, peak {peak:.2f} GiB (with the making, if it was made now)")


if __name__ == "__main__":
    main()
