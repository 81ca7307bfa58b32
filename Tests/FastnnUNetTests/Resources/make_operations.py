"""Makes operations.json: label maps after the operations that clean them up, with scipy and connected-components-3d.

Inputs are drawn with SplitMix64 from the seed of each case, so only CRC-32 of the results are stored, (Z, Y, X).
Run: python make_operations.py (scipy 1.17.1, connected-components-3d 4)
"""
import itertools
import json
import pathlib
import sys
import zlib

import cc3d
import numpy as np
from scipy import ndimage

FOLDER = pathlib.Path(__file__).parent
sys.path.append(str(FOLDER.parents[1]))
from drawing import label_map


def ball(radius, spacing):
    reach = [int(radius / size + 1e-9) for size in spacing]
    axes = np.meshgrid(*(np.arange(-n, n + 1) * size for n, size in zip(reach, spacing)), indexing="ij")
    return sum(axis**2 for axis in axes) <= radius**2 * (1 + 1e-9)


def changed(mask, step, spacing):
    """The mask of one label, or of several together, after a step."""
    name = step["operation"]
    if name in ("keep_largest", "remove_small"):
        components = cc3d.connected_components(mask.astype(np.uint8), connectivity=step.get("connectivity", 26))
        sizes = np.bincount(components.ravel())
        sizes[0] = 0
        if name == "keep_largest":
            # cc3d does not number components by their first voxels.
            largest = np.flatnonzero(sizes == sizes.max())
            flat = components.ravel()
            winner = min(largest, key=lambda i: int(np.argmax(flat == i)))
            return components == winner
        keep = sizes >= step["min_voxels"] if "min_voxels" in step else sizes * np.prod(spacing) >= step["min_mm3"]
        keep[0] = False
        return keep[components]
    if name in ("opening", "closing"):
        radius, sizes = (step["radius"], (1, 1, 1)) if "radius" in step else (step["radius_mm"], spacing)
        structure = ball(radius, sizes)
        if name == "opening":
            return ndimage.binary_opening(mask, structure)
        margin = [(n // 2, n // 2) for n in structure.shape]
        closed = ndimage.binary_closing(np.pad(mask, margin), structure)
        return closed[tuple(slice(a, a + n) for (a, _), n in zip(margin, mask.shape))]
    if step.get("per_slice"):
        return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
    return ndimage.binary_fill_holes(mask)


def applied(labels, step, spacing):
    labels = labels.copy()
    present = [label for label in np.unique(labels) if label]
    wanted = [label for label in step.get("labels", present) if label in present]
    if step["operation"] == "reassign":
        labels[np.isin(labels, wanted)] = step["to"]
        return labels
    for group in [wanted] if step.get("together") else [[label] for label in wanted]:
        if not group:
            continue
        old = np.isin(labels, group)
        new = changed(old, step, spacing)
        labels[old & ~new] = step.get("to", 0)
        labels[new & ~old & (labels == 0)] = group[0]
    return labels


STEPS = [
    {"operation": "keep_largest"}, {"operation": "keep_largest", "connectivity": 6, "labels": [2, 1], "to": 9},
    {"operation": "keep_largest", "connectivity": 18, "together": True},
    {"operation": "remove_small", "min_voxels": 9, "connectivity": 6}, {"operation": "remove_small", "min_mm3": 16.2},
    {"operation": "remove_small", "min_voxels": 30, "labels": [1, 3], "together": True, "to": 2},
    {"operation": "opening", "radius": 1}, {"operation": "opening", "radius": 2.3, "labels": [1]},
    {"operation": "opening", "radius_mm": 1.8}, {"operation": "closing", "radius": 1},
    {"operation": "closing", "radius": 3, "labels": [2, 1]}, {"operation": "closing", "radius_mm": 3.5},
    {"operation": "fill_holes"}, {"operation": "fill_holes", "per_slice": True, "labels": [1]},
    {"operation": "reassign", "labels": [1, 3], "to": 7},
]
SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.9, 0.9), (1.25, 0.7, 0.8)]

cases = []
seed = 77_000
for shape, (block, permille, number) in itertools.product(
    ((13, 21, 70), (1, 30, 41), (24, 33, 129)), ((1, 300, 3), (1, 850, 2), (2, 450, 3), (3, 600, 3), (4, 930, 1))
):
    labels = label_map(seed, shape, block, permille, number)
    spacing = SPACINGS[seed % 3]
    results = [zlib.crc32(applied(labels, step, spacing).tobytes()) for step in STEPS]
    sequence = labels
    for step in (STEPS[11], STEPS[12], STEPS[6], STEPS[0]):
        sequence = applied(sequence, step, spacing)
    cases.append(dict(
        seed=seed, shape=shape, block=block, permille=permille, number=number, spacing=spacing,
        labels=zlib.crc32(labels.tobytes()), results=results, sequence=zlib.crc32(sequence.tobytes())))
    seed += 1
steps = ",\n".join(json.dumps(step) for step in STEPS)
lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
(FOLDER / "operations.json").write_text(f'{{"steps": [\n{steps}],\n"cases": [\n{lines}]}}\n')
