"""Makes morphology.json with scipy, connected-components-3d and TotalSegmentator.

Inputs are drawn with SplitMix64 from the seed of each case, so only results are stored: CRC-32 of their bytes, (Z, Y, X).
Run: python make_morphology_golden.py (scipy 1.17.1, connected-components-3d 4, TotalSegmentator 2.18)
"""
import json
import pathlib
import sys
import zlib

import cc3d
import numpy as np
from scipy import ndimage
from totalsegmentator import postprocessing

FOLDER = pathlib.Path(__file__).parent
sys.path.append(str(FOLDER.parents[1]))
from drawing import label_map


def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).astype(np.uint8).tobytes())


def xyz(array):
    """A copy: the reference works in place."""
    return array.transpose(2, 1, 0).copy(order="C")


def without_small_components(labels, limit, connectivity):
    components = cc3d.connected_components(labels, connectivity=connectivity)
    small = np.bincount(components.ravel()) <= limit
    return np.where(small[components], 0, labels)


def reference_filters(labels):
    """The reference's own filters, on arrays (x, y, z): small components of two labels, largest component of label 1."""
    names = {label: str(label) for label in range(1, 256)}
    small = postprocessing.remove_small_blobs_multilabel(
        xyz(labels), names, ["1", "3"], interval=[6, 1e10], quiet=True)
    largest = postprocessing.keep_largest_blob_multilabel(xyz(labels), names, ["1"], quiet=True)
    return crc(small.transpose(2, 1, 0)), crc(largest.transpose(2, 1, 0))


GROWTH = [  # radius in mm, spacing (z, y, x) in mm
    (3.0, (1.5, 1.5, 1.5)), (2.0, (5.0, 0.9, 0.9)), (2.0, (0.4, 0.7, 0.7)), (3.0, (1.25, 0.8, 0.9)), (1.0, (1.0, 1.0, 1.0)),
    (2.0, (3.0, 2.0, 1.0)), (3.0, (0.9, 1.1, 1.3)), (0.0, (1.0, 1.0, 1.0)),
]


def grown(labels, known, radius, spacing):
    sizes = tuple(np.float32(value) for value in reversed(spacing))
    result = postprocessing.dilate_vertebrae_labels(xyz(labels), {label: str(label) for label in known}, sizes, radius)
    return crc(result.transpose(2, 1, 0))


cases = []
seed = 20_000
for shape in ((9, 13, 11), (1, 30, 41), (23, 17, 70), (40, 1, 64), (31, 20, 1), (1, 1, 90), (26, 33, 129), (3, 3, 3)):
    for block, permille, number in (
        (1, 30, 3), (1, 300, 4), (1, 700, 2), (1, 1000, 5), (2, 120, 255), (2, 450, 3), (3, 100, 30), (3, 600, 6), (1, 0, 1),
        (4, 970, 1),
    ):
        labels = label_map(seed, shape, block, permille, number)
        mask = labels > 0
        case = dict(seed=seed, shape=shape, block=block, permille=permille, number=number, labels=crc(labels))
        case["small"] = [crc(without_small_components(labels, 7, connectivity)) for connectivity in (6, 18, 26)]
        case["reference"] = reference_filters(labels)
        largest = np.where(labels == 1, postprocessing.keep_largest_blob(labels == 1), labels)
        case["largest"] = crc(largest)
        case["touching"] = bool(postprocessing._multilabel_labels_touch(labels))
        where = np.argwhere(np.isin(labels, (1, 4, 200)))
        case["box"] = [*map(int, where.min(0)), *(int(i) + 1 for i in where.max(0))] if len(where) else []
        case["grown"] = [grown(labels, range(1, 256), radius, spacing) for radius, spacing in GROWTH]
        case["grownSome"] = grown(labels, (2, 3), 2.5, (1.0, 1.0, 1.0))
        for name, operation in (
            ("dilated", ndimage.binary_dilation), ("eroded", ndimage.binary_erosion), ("closed", ndimage.binary_closing),
            ("opened", ndimage.binary_opening),
        ):
            case[name] = [crc(operation(mask, iterations=n)) for n in (1, 2, 3, 17)]
        case["filled"] = crc(ndimage.binary_fill_holes(mask))
        case["filledSlices"] = crc(np.stack([ndimage.binary_fill_holes(plane) for plane in mask]))
        components, count = ndimage.label(xyz(mask))
        numbers = range(1, count + 1)
        centers = ndimage.center_of_mass(xyz(mask), components, numbers) if count else []
        case["sizes"] = zlib.crc32(np.bincount(components.ravel(), minlength=1)[1:].astype("<i8").tobytes())
        case["centers"] = zlib.crc32(np.array([center[::-1] for center in centers], "<f8").tobytes())
        case["count"] = count
        cases.append(case)
        seed += 1
(FOLDER / "morphology.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},", "},\n") + "\n")
