"""Makes postprocessing.json with TotalSegmentator.

Inputs are drawn with SplitMix64 from the seed of each case, so only results are stored: CRC-32 of their bytes, (Z, Y, X).
Run: python make_postprocessing_golden.py (TotalSegmentator 2.18)
"""
import json
import pathlib
import sys
import zlib

import nibabel
import numpy as np
from totalsegmentator import postprocessing
from totalsegmentator.map_to_binary import class_map

FOLDER = pathlib.Path(__file__).parent
sys.path.append(str(FOLDER.parents[1]))
from drawing import splitmix


def boxes(seed, shape, count, labels):
    """A label map (z, y, x): boxes of 1 to 8 voxels a side, drawn one over the other; six draws and a label for each."""
    draws = splitmix(seed, 7 * count).reshape(count, 7) >> np.uint64(33)
    result = np.zeros(shape, np.uint8)
    for draw in draws:
        start = [int(draw[axis] % np.uint64(shape[axis])) for axis in range(3)]
        stop = [start[axis] + 1 + int(draw[3 + axis] % np.uint64(8)) for axis in range(3)]
        result[tuple(map(slice, start, stop))] = labels[int(draw[6] % np.uint64(len(labels)))]
    return result


def intensities(seed, shape):
    """Whole numbers from -300 to 299, so that both ends of the window occur."""
    draws = splitmix(seed, int(np.prod(shape))) >> np.uint64(33)
    return (draws % np.uint64(600)).astype(np.float64).reshape(shape) - 300


def crc(xyz):
    return zlib.crc32(np.ascontiguousarray(xyz.transpose(2, 1, 0)).astype(np.uint8).tobytes())


def xyz(array):
    return array.transpose(2, 1, 0).copy(order="C")


vertebrae = class_map["vertebrae_pp"]
cases = []
seed = 40_000
LABELS = [[0, 1, 2, 3, 4, 5], [1, 23, 24, 0], [20, 21, 22, 23, 24], [7, 8, 9, 0, 0], [0, 30, 31], [5, 26], list(range(25)), [12]]
SPACINGS = [(1.5, 1.5, 1.5), (5.0, 0.9, 0.9), (0.7, 0.4, 0.4), (1.25, 0.8, 0.8), (3.0, 1.0, 2.0)]
for shape in ((60, 24, 20), (33, 40, 70), (1, 40, 33), (41, 9, 1)):
    for labels in LABELS:
        for count in (2, 12, 60):
            spacing = SPACINGS[seed % len(SPACINGS)]
            data = boxes(seed, shape, count, labels)
            sizes = tuple(np.float32(value) for value in reversed(spacing))
            case = dict(seed=seed, shape=shape, count=count, from_=labels, spacing=spacing, data=zlib.crc32(data.tobytes()))
            try:
                case["separated"] = crc(postprocessing.postprocess_vertebrae_pp(
                    xyz(data), vertebrae, voxel_volume=np.prod(sizes), voxel_spacing=sizes))
            except IndexError:
                # Where labels touch and one part is large enough, the reference stops.
                case["separated"] = None
            bodies = boxes(seed + 1000, shape, 12, [0, 1, 2, 3])
            case["refined"] = crc(postprocessing.refine_vertebrae_pp_with_body_mask(
                xyz(data), xyz(bodies), vertebrae, voxel_spacing=sizes))
            body = boxes(seed + 2000, shape, 12, [0, 1, 1, 1]) > 0
            image = intensities(seed + 3000, shape)
            affine = np.diag([*sizes, 1.0])
            skin = postprocessing.extract_skin(
                nibabel.Nifti1Image(xyz(image), affine), nibabel.Nifti1Image(xyz(body).astype(np.uint8), affine))
            case["skin"] = crc(np.asanyarray(skin.dataobj))
            cases.append(case)
            seed += 1
(FOLDER / "postprocessing.json").write_text(
    json.dumps(cases, separators=(",", ":")).replace("from_", "from").replace("},", "},\n") + "\n")
