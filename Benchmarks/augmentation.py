#!/usr/bin/env python3
"""What each step of augmentation costs a sample: batchgeneratorsv2 and Microtome, one thread each, processor time.

    Benchmarks/augmentation.py          (with a Python that has batchgeneratorsv2)

Microtome's side is a test that only measures; it is run through `swift test`.
"""
import os, subprocess, time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform
from batchgeneratorsv2.transforms.local.local_gamma import LocalGammaTransform
from batchgeneratorsv2.transforms.nnunet.random_binary_operator import binary_dilation_torch
from batchgeneratorsv2.transforms.noise.blank_rectangle import BlankRectangleTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.noise.median_filter import MedianFilterTransform
from batchgeneratorsv2.transforms.noise.sharpen import SharpeningTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from skimage.morphology import ball

COMMAND = "swift test -c release -Xswiftc -enable-testing --filter AugmentationTimings"
# The patches, and what is cropped for them to be turned.
SHAPES = {(128, 128, 128): (205, 205, 205), (40, 56, 40): (73, 80, 64)}


def milliseconds(run, repetitions):
    run()
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def transforms(patch):
    per_channel = dict(synchronize_channels=False, p_per_channel=1)
    local = dict(scale=lambda shape, axis: 20.0, loc=(-0.5, 1.5), same_for_all_channels=False)
    return {
        "noise": GaussianNoiseTransform((0.05, 0.05), 1, True),
        "blur 0.8": GaussianBlurTransform((0.8, 0.8), False, False, 1),
        "brightness": MultiplicativeBrightnessTransform((1.1, 1.1), **per_channel),
        "contrast": ContrastTransform((1.1, 1.1), True, **per_channel),
        "low resolution 0.7": SimulateLowResolutionTransform((0.7, 0.7), False, True, None, p_per_channel=1),
        "gamma": GammaTransform((1.2, 1.2), p_invert_image=0, p_retain_stats=1, **per_channel),
        "median 3": MedianFilterTransform(3),
        "median 5": MedianFilterTransform(5),
        "median 7": MedianFilterTransform(7),
        "sharpen": SharpeningTransform(0.5),
        "gradient": BrightnessGradientAdditiveTransform(max_strength=2.0, mean_centered=False, **local),
        "local gamma": LocalGammaTransform(gamma=0.5, **local),
        "rectangles": BlankRectangleTransform([[max(1, n // 10), n // 3] for n in patch], torch.mean, (4, 5)),
    }


def measure(patch, initial):
    random = np.random.RandomState(0)
    large = torch.from_numpy(random.randn(1, *initial).astype(np.float32))
    steps = [np.arange(n) * parts // n for n, parts in zip(initial, (3, 2, 2))]
    labels = torch.from_numpy((sum(np.meshgrid(*steps, indexing="ij")) % 4).astype(np.int16))[None]
    image = torch.from_numpy(random.randn(1, *patch).astype(np.float32))
    marks = labels[:, : patch[0], : patch[1], : patch[2]].contiguous()
    spatial = SpatialTransform(
        patch, 0, False, p_rotation=1, rotation=0.3, p_scaling=1, scaling=1.1, p_synchronize_scaling_across_axes=1,
        border_mode_seg="constant", padding_value_seg=-1)
    grid = spatial.get_parameters(image=large)
    pyramid = DownsampleSegForDSTransform([[1] * 3, [0.5] * 3, [0.25] * 3, [0.125] * 3])
    element = torch.from_numpy(ball(4.5, dtype=bool))
    runs = {
        "spatial image": lambda: spatial._apply_to_image(large, **spatial.get_parameters(image=large)),
        "spatial labels (4)": lambda: spatial._apply_to_segmentation(labels, **grid),
        **{name: (lambda t=t: t(image=image.clone())) for name, t in transforms(patch).items()},
        "turn + transpose zyx": lambda: image.permute(0, 3, 2, 1).contiguous(),
        "pyramid": lambda: pyramid(segmentation=marks.clone()),
        "dilation r 4.5": lambda: binary_dilation_torch(marks[0] == 1, element),
    }
    print(f"{list(patch)}, {list(initial)}")
    for name, run in runs.items():
        print(f"  {name}: {milliseconds(run, 1 if name.startswith('median') else 5):.2f} ms", flush=True)


def main():
    torch.set_num_threads(1)
    print("batchgeneratorsv2")
    for patch, initial in SHAPES.items():
        measure(patch, initial)
    print("Microtome")
    output = subprocess.run(
        COMMAND.split(), env={**os.environ, "MICROTOME_TIMINGS": "1"}, capture_output=True, text=True, check=True)
    print("\n".join(line for line in output.stdout.splitlines() if line.startswith("[") or line.endswith(" ms")))


if __name__ == "__main__":
    main()
