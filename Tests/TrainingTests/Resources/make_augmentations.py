"""Makes augmentations.json: transforms of nnU-Net's DA5 with fixed parameters, by batchgeneratorsv2.

Images are sin(1.3 n + 0.1 n^2) in float32, (Z, Y, X) or (Y, X); labels floor(2.999 |image|).

    python make_augmentations.py > augmentations.json
"""

import json

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform
from batchgeneratorsv2.transforms.local.local_gamma import LocalGammaTransform
from batchgeneratorsv2.transforms.noise.blank_rectangle import BlankRectangleTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.noise.median_filter import MedianFilterTransform
from batchgeneratorsv2.transforms.noise.sharpen import SharpeningTransform
from batchgeneratorsv2.transforms.spatial.rot90 import Rot90Transform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.spatial.transpose import TransposeAxesTransform

V, P = (7, 9, 8), (9, 8)


def image(shape):
    n = torch.arange(int(np.prod(shape)), dtype=torch.float64)
    return torch.sin(1.3 * n + 0.1 * n * n).float().reshape(1, *shape)


def labels(shape):
    return torch.floor(2.999 * image(shape).abs()).to(torch.int16)


def case(operation, shape, result, **parameters):
    values = result.flatten().tolist()
    return {"operation": operation, "shape": list(shape), **parameters, "result": [float("%.7g" % v) for v in values]}


def median(shape, size):
    transform = MedianFilterTransform((2, 8))
    out = transform._apply_to_image(image(shape), filter_sizes=[size], apply_channel=[True])
    return case("median", shape, out, size=size)


def sharpen(shape, strength):
    out = SharpeningTransform()._apply_to_image(
        image(shape), strengths=[strength], clamp_intensities=[False], apply_channel=[True])
    return case("sharpen", shape, out, strength=strength)


def bump(shape, centres, widths, strength=None, gamma=None):
    common = dict(scale=lambda _, d: widths[d], loc=lambda _, d: centres[d], same_for_all_channels=False)
    x = image(shape)
    if gamma is None:
        transform = BrightnessGradientAdditiveTransform(max_strength=strength, mean_centered=False, **common)
    else:
        transform = LocalGammaTransform(gamma=gamma, **common)
    parameters = transform.get_parameters(image=x)
    return case("bump", shape, transform._apply_to_image(x, **parameters), centres=centres, widths=widths,
                strength=strength, gamma=gamma)


def blank(lower, upper):
    transform = BlankRectangleTransform(((1, 2),) * 3, torch.mean, (1, 5))
    out = transform._apply_to_image(image(V), apply_channel=[True], rectangles=[[(lower, upper)]])
    return case("blank", V, out, lower=lower, upper=upper)


def contrast(factor):
    transform = ContrastTransform(factor, preserve_range=False, synchronize_channels=False)
    out = transform._apply_to_image(
        image(V), apply_to_channel=torch.tensor([0]), multipliers=torch.tensor([factor]))
    return case("contrast", V, out, factor=factor)


def blur(sigma):
    transform = GaussianBlurTransform((0.3, 1.5), synchronize_axes=True)
    out = transform._apply_to_image(image(V), apply_to_channel=torch.tensor([True]), sigmas=[[sigma] * 3])
    return case("blur", V, out, sigma=sigma)


def turn(first, second, quarters, order):
    shape = (4, 4, 4)
    out = Rot90Transform(1)._apply_to_image(
        image(shape), num_rot_per_combination=[quarters], axis_combinations=[[first + 1, second + 1]])
    out = TransposeAxesTransform({0, 1, 2})._apply_to_image(out, axis_order=[0] + [a + 1 for a in order])
    return case("turn", shape, out, axes=[first, second], quarters=quarters, order=order)


def spatial(angles, scales, mode):
    shape = (5, 6, 6)
    axis = iter(angles)
    scale = iter(scales)
    transform = SpatialTransform(
        shape, 0, False, p_rotation=1, rotation=lambda image, dim: next(axis), p_scaling=1,
        scaling=lambda image, dim: next(scale), p_synchronize_scaling_across_axes=-1, border_mode_seg="constant",
        padding_value_seg=-1, mode_image=mode, mode_seg=mode)
    parameters = transform.get_parameters(image=image(V))
    return case("spatial", V, transform._apply_to_image(image(V), **parameters), patch=list(shape), angles=angles,
                scales=scales, nearest=mode == "nearest",
                labels=transform._apply_to_segmentation(labels(V), **parameters).flatten().tolist())


CASES = (
    [median(V, size) for size in (2, 3, 4, 5, 6, 7)] + [median(P, size) for size in (3, 4, 7)]
    + [sharpen(V, 0.7), sharpen(P, 0.3)]
    + [bump(V, [0.3, -0.4, 1.2], [3.0, 5.5, 2.0], strength=-3.5), bump(P, [1.5, 0.2], [2.5, 8.0], strength=2.0)]
    + [bump(V, [0.6, 0.1, 1.4], [1.5, 8.5, 4.0], gamma=0.05), bump(P, [0.5, 0.9], [4.0, 2.0], gamma=3.5)]
    + [blank([1, 0, 3], [4, 5, 8]), contrast(1.8), blur(0.35), blur(1.45)]
    + [turn(0, 2, 1, [0, 1, 2]), turn(1, 2, 3, [2, 0, 1]), turn(0, 1, 2, [1, 0, 2])]
    + [spatial([0.3, -0.2, 0.5], [0.8, 1.3, 1.1], mode) for mode in ("bilinear", "nearest")]
)

print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]")
