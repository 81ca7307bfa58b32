"""Makes operations.json: answers of single operations that no U-Net of the plans contains, by PyTorch in float64.

    python make_operations.py > operations.json
"""

import json

import torch
from torch.nn import functional as F


def cosine(shape):
    count = torch.Size(shape).numel()
    return torch.cos(0.5 * torch.arange(count, dtype=torch.float64)).float().double().reshape(shape)


def sine(shape, offset=0.0):
    count = torch.Size(shape).numel()
    return (offset + 0.3 * torch.sin(0.7 * torch.arange(count, dtype=torch.float64) + 0.2)).float().double().reshape(shape)


def case(name, shape, output):
    return {
        "name": name, "input_shape": shape, "output_shape": list(output.shape),
        "output": [round(v, 8) for v in output.flatten().tolist()],
    }


V, P = [2, 4, 2, 3, 4], [1, 2, 5, 3]
CASES = [
    case("group norm", V, F.group_norm(cosine(V), 2, sine([4], 1.0), sine([4]), 1e-5)),
    case("upsampling linear 3D", V, F.interpolate(cosine(V), scale_factor=(2, 3, 1), mode="trilinear")),
    case("upsampling linear 2D", P, F.interpolate(cosine(P), scale_factor=(2, 3), mode="bilinear")),
    case("upsampling nearest 3D", V, F.interpolate(cosine(V), scale_factor=(2, 3, 1), mode="nearest")),
    case("average pooling with a rest", P, F.avg_pool2d(cosine(P), (2, 2))),
    case("convolution, even kernel", P, F.conv2d(cosine(P), sine([3, 2, 2, 4]), sine([3]), stride=(1, 2), padding=(0, 1))),
    case(
        "transposed convolution, overlapping and padded", V,
        F.conv_transpose3d(cosine(V), sine([4, 2, 3, 2, 4]), sine([2]), stride=(2, 1, 2), padding=(1, 0, 1))),
]

print("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]")
