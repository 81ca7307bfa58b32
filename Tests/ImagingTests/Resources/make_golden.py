"""Makes the other files of this folder with nnunetv2, scipy and PyTorch.

Inputs are drawn with SplitMix64 from the seed of each case, so only results are stored.
Run: python make_golden.py (nnunetv2 2.8, scikit-image 0.26, scipy 1.17, batchgenerators >= 0.25.4)
"""
import json
import pathlib
import sys

import numpy as np
from nnunetv2.preprocessing.cropping.cropping import create_nonzero_mask
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet
from scipy import ndimage

FOLDER = pathlib.Path(__file__).parent
sys.path.append(str(FOLDER.parents[1]))
from drawing import splitmix


def intensities(seed, shape):
    bits = (splitmix(seed, int(np.prod(shape))) >> np.uint64(40)).astype(np.float32)
    return (bits / np.float32(2**17) - np.float32(50)).reshape(shape)


def labels(seed, shape, number, first):
    """Blocks of two voxels along x, so that there are runs and borders."""
    draws = (splitmix(seed, int(np.prod(shape))) >> np.uint64(33)).astype(np.int64) % number + first
    return np.repeat(draws.reshape(shape), 2, axis=-1)[..., : shape[-1]].astype(np.int16)


def binary(seed, shape, percent):
    return ((splitmix(seed, int(np.prod(shape))) >> np.uint64(33)) % np.uint64(100) < np.uint64(percent)).reshape(shape)


ISO = (1.0, 1.0, 1.0)
SHAPES = [
    # from, to, current spacing, new spacing
    ((5, 6, 7), (9, 4, 7), ISO, ISO),
    ((7, 9, 8), (3, 5, 4), ISO, ISO),
    ((6, 5, 9), (12, 10, 18), ISO, ISO),
    ((1, 9, 11), (1, 6, 17), ISO, ISO),
    ((1, 1, 6), (1, 1, 9), ISO, ISO),
    ((4, 1, 7), (7, 1, 3), ISO, ISO),
    ((3, 1, 1), (5, 2, 3), ISO, ISO),
    ((8, 6, 5), (5, 6, 5), ISO, ISO),
    ((5, 7, 6), (5, 7, 11), ISO, ISO),
    ((5, 7, 6), (5, 3, 6), ISO, ISO),
    ((2, 40, 37), (3, 17, 50), ISO, ISO),
    ((40, 3, 19), (13, 5, 19), ISO, ISO),
    ((5, 9, 10), (8, 6, 13), (4.0, 1.0, 1.0), (2.5, 1.5, 0.8)),
    ((9, 5, 10), (6, 8, 13), (1.0, 5.0, 1.0), (1.5, 3.0, 0.8)),
    ((9, 10, 5), (6, 13, 8), (0.7, 0.7, 2.1), (1.0, 0.5, 1.3)),
    ((6, 8, 9), (3, 8, 9), (4.0, 1.0, 1.0), (8.0, 1.0, 1.0)),
    ((4, 8, 9), (4, 11, 7), (4.0, 1.0, 1.0), (4.0, 0.7, 1.3)),
    ((8, 8, 8), (3, 9, 7), ISO, (4.0, 1.0, 1.0)),
]


def resampling():
    cases, results = [], []
    seed = 1
    for source, target, current, new in SHAPES:
        separate = current != ISO or new != ISO
        for order in (0, 1, 3):
            for order_z in (0, 1, 3) if separate else (0,):
                data = intensities(seed, (2 if seed < 4 else 1,) + source)
                result = resample_data_or_seg_to_shape(
                    data, target, current, new, is_seg=False, order=order, order_z=order_z, force_separate_z=None)
                cases.append(dict(kind="default", seed=seed, channels=len(data), source=source, target=target, current=current, new=new,
                                  order=order, orderZ=order_z))
                results.append(np.asarray(result, dtype="<f4").ravel())
                seed += 1
        data = intensities(seed, source)[None]
        result = resample_torch_fornnunet(data, target, current, new)
        cases.append(dict(kind="torch", seed=seed, source=source, target=target, current=current, new=new))
        results.append(np.asarray(result, dtype="<f4").ravel())
        seed += 1
    (FOLDER / "resampling.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},", "},\n") + "\n")
    np.concatenate(results).tofile(FOLDER / "resampling.f32")


def label_resampling():
    cases, results = [], []
    seed = 5000
    for source, target, current, new in SHAPES:
        for kind in ("default", "nearest", "torch", "torchMemoryEfficient"):
            data = labels(seed, source, 4, -1)[None]
            if kind == "default":
                result = resample_data_or_seg_to_shape(
                    data, target, current, new, is_seg=True, order=1, order_z=0, force_separate_z=None)
            elif kind == "nearest":
                result = resample_data_or_seg_to_shape(
                    data, target, current, new, is_seg=True, order=0, order_z=0, force_separate_z=None)
            else:
                result = resample_torch_fornnunet(
                    data, target, current, new, is_seg=True, memefficient_seg_resampling=kind != "torch")
            cases.append(dict(kind=kind, seed=seed, source=source, target=target, current=current, new=new))
            results.append(np.asarray(result).astype("<i2").ravel())
            seed += 1
    (FOLDER / "labels.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},", "},\n") + "\n")
    np.concatenate(results).tofile(FOLDER / "labels.i16")


def components():
    """Component numbers and filled holes as CRC-32 of their bytes; sizes in full for the sparse masks."""
    import zlib

    cases = []
    seed = 9000
    for shape in ((7, 9, 11), (1, 30, 41), (23, 17, 70), (40, 33, 64)):
        for percent in (8, 20, 35, 60, 85):
            mask = binary(seed, shape, percent)
            case = dict(seed=seed, shape=shape, percent=percent)
            for connectivity, name in ((1, "faces"), (2, "edges"), (3, "corners")):
                numbers, count = ndimage.label(mask, ndimage.generate_binary_structure(3, connectivity))
                case[name] = [count, zlib.crc32(numbers.astype("<i4").tobytes())]
            filled = create_nonzero_mask(mask[None].astype(np.float32))
            case["filled"] = zlib.crc32(filled.astype(np.uint8).tobytes())
            case["filledCount"] = int(filled.sum())
            cases.append(case)
            seed += 1
    (FOLDER / "components.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},", "},\n") + "\n")



def corner_aligned():
    """scipy.ndimage.zoom on arrays in (x, y, z) order, as TotalSegmentator calls it; results truncated to int32 or not."""
    cases, results, seed = [], [], 5000
    for source, target, *_ in SHAPES:
        for order in range(6):
            # The last bits of higher orders are not scipy's, and truncation would show them.
            for truncates in (False, True) if order < 2 else (False,):
                seed += 1
                # Plateaus show whether a sum of equal values comes out a little too small.
                image = (labels(seed, source, 3, -1000) if truncates else intensities(seed, source)).astype(np.float64)
                zoom = np.array(target[::-1]) / np.array(source[::-1])
                result = ndimage.zoom(image.transpose(2, 1, 0), zoom, order=order, mode="nearest").transpose(2, 1, 0)
                assert result.shape == tuple(target)
                if truncates:
                    result = result.astype(np.int32)
                cases.append(dict(kind="truncated" if truncates else "", seed=seed, source=source, target=target,
                                  current=ISO, new=ISO, order=order))
                results.append(np.ascontiguousarray(result, dtype=np.float32).ravel())
    (FOLDER / "corners.json").write_text("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")
    np.concatenate(results).tofile(FOLDER / "corners.f32")


if __name__ == "__main__":
    resampling()
    label_resampling()
    components()
    corner_aligned()
