"""Inputs for golden files that both the scripts that make these and the tests draw from a seed, so that nobody stores them."""
import numpy as np


def splitmix(seed, count):
    """The first numbers of SplitMix64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def label_map(seed, shape, block, permille, number):
    """Cubes of block^3 voxels; each is background or one of the labels 1...number."""
    cells = [-(-n // block) for n in shape]
    draws = splitmix(seed, int(np.prod(cells)))
    used = (draws >> np.uint64(33)) % np.uint64(1000) < np.uint64(permille)
    labels = np.where(used, 1 + (draws >> np.uint64(13)) % np.uint64(number), 0).astype(np.uint8).reshape(cells)
    for axis in range(3):
        labels = np.repeat(labels, block, axis=axis)
    return np.ascontiguousarray(labels[: shape[0], : shape[1], : shape[2]])
