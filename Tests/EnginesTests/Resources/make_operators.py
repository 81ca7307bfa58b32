"""Makes operators.json: results and gradients of every operation of a network graph while training, by PyTorch's autograd
in float64. The cases are those of GradientCheck.swift, by name.

Parameters: 0.3 sin(0.7 k + 0.2) for the k-th element of all, plus 1 for scales and variances; input: cos(0.5 n); the
gradient of element n of output o: sin(0.3 n + o).

    python make_operators.py > operators.json
"""

import json

import torch
from torch import nn
from torch.nn import functional as F


def wave(shape, offset, k=0):
    n = torch.arange(k, k + torch.Size(shape).numel(), dtype=torch.float64)
    return (offset + 0.3 * torch.sin(0.7 * n + 0.2)).float().double().reshape(shape)


def fill(modules):
    k = 0
    for name, module in modules.items():
        for key, value in module.state_dict(keep_vars=True).items():
            if key == "num_batches_tracked":
                continue
            is_factor = name == "norm" and key == "weight" or key == "running_var"
            value.data = wave(value.shape, 1.0 if is_factor else 0.0, k)
            k += value.numel()


def dropout_factors(count, probability):
    mask, state, factors = (1 << 64) - 1, 0x5EED, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        factors.append(0.0 if ((z ^ (z >> 31)) >> 11) * 2.0**-53 < probability else 1 / (1 - probability))
    return factors


def dropped(x, probability):
    factors = torch.tensor(dropout_factors(x.shape[0] * x.shape[1], probability), dtype=torch.float64)
    return x * factors.reshape(list(x.shape[:2]) + [1] * (x.ndim - 2))


def case(name, shape, make, forward):
    rank = len(shape) - 2
    conv = nn.Conv2d if rank == 2 else nn.Conv3d
    modules = {"first": conv(shape[1], 4, 1), **make}
    for module in modules.values():
        module.double().train()
    fill(modules)
    count = torch.Size(shape).numel()
    x = torch.cos(0.5 * torch.arange(count, dtype=torch.float64)).float().double().reshape(shape)
    outputs = forward(modules, modules["first"](x))
    seeds = [torch.sin(0.3 * torch.arange(o.numel(), dtype=torch.float64) + k).reshape(o.shape)
             for k, o in enumerate(outputs)]
    torch.autograd.backward(outputs, seeds)
    return {
        "name": name,
        "outputs": [[float("%.7g" % v) for v in o.flatten().tolist()] for o in outputs],
        "gradients": {
            f"{n}.{key}": [float("%.7g" % v) for v in p.grad.flatten().tolist()]
            for n, module in modules.items() for key, p in module.named_parameters()
        },
    }


def op(module):
    return {"op": module}, lambda m, x: [m["op"](x)]


def norm(module, slope=None):
    return {"norm": module}, lambda m, x: [m["norm"](x) if slope is None else F.leaky_relu(m["norm"](x), slope)]


def plain(function):
    return {}, lambda m, x: function(x)


def combined(x):
    active = F.leaky_relu(x, 0.1)
    return [torch.cat([active + x, active, x], 1)]


def two(m, x):
    half = m["down"](x)
    return [torch.cat([m["up"](half), x], 1), m["head"](half)]


CASES = [
    case("convolution 3D", [2, 2, 3, 4, 5], *op(nn.Conv3d(4, 3, 3, (1, 2, 1), 1))),
    case("convolution 2D", [1, 1, 6, 5], *op(nn.Conv2d(4, 5, 3, (2, 1), 1, bias=False))),
    case("convolution 3D, stride 2", [1, 2, 4, 5, 3], *op(nn.Conv3d(4, 2, 3, 2, 1))),
    case("convolution 3D, flat kernel", [2, 1, 2, 4, 4], *op(nn.Conv3d(4, 3, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False))),
    case("transposed convolution 3D", [2, 2, 2, 3, 2], *op(nn.ConvTranspose3d(4, 3, (1, 2, 2), (1, 2, 2)))),
    case("transposed convolution 2D", [2, 2, 3, 2], *op(nn.ConvTranspose2d(4, 3, 2, 2, bias=False))),
    case("instance norm", [2, 2, 3, 2, 3], *norm(nn.InstanceNorm3d(4, affine=True))),
    case("instance norm 2D", [2, 2, 4, 3], *norm(nn.InstanceNorm2d(4, affine=True))),
    case("instance norm without parameters", [2, 2, 3, 4], *norm(nn.InstanceNorm2d(4, eps=1e-3))),
    case("instance norm, leaky ReLU", [2, 2, 3, 4, 3], *norm(nn.InstanceNorm3d(4, affine=True), 0.01)),
    case("group norm", [2, 3, 4, 3], *norm(nn.GroupNorm(2, 4))),
    case("group norm, ReLU", [2, 3, 4, 3, 2], *norm(nn.GroupNorm(2, 4), 0.0)),
    case("group norm without parameters", [2, 2, 3, 2, 3], *norm(nn.GroupNorm(2, 4, eps=1e-4, affine=False))),
    case("batch norm", [3, 2, 3, 2, 2], *norm(nn.BatchNorm3d(4))),
    case("batch norm 2D, leaky ReLU", [2, 2, 4, 3], *norm(nn.BatchNorm2d(4), 0.97)),
    case("batch norm without parameters", [2, 2, 3, 2, 3], *norm(nn.BatchNorm3d(4, eps=1e-4, affine=False))),
    case("leaky ReLU", [1, 2, 4, 3], *plain(lambda x: [F.leaky_relu(x, 0.2)])),
    case("sum and concatenation", [2, 2, 3, 3], *plain(combined)),
    case("concatenation 3D", [2, 2, 2, 3, 2], *plain(lambda x: [torch.cat([x, F.leaky_relu(x, 0.3)], 1)])),
    case("sum, leaky ReLU", [2, 2, 3, 3, 2], {"norm": nn.InstanceNorm3d(4, affine=True)},
         lambda m, x: [F.leaky_relu(m["norm"](x) + x, 0.01)]),
    case("average pooling 3D with a rest", [2, 2, 4, 3, 5], *plain(lambda x: [F.avg_pool3d(x, (2, 1, 2))])),
    case("average pooling 2D", [2, 2, 4, 3], *plain(lambda x: [F.avg_pool2d(x, (2, 3))])),
    case("upsampling linear 3D", [2, 2, 2, 3, 2], *plain(lambda x: [F.interpolate(x, scale_factor=(2, 3, 1), mode="trilinear")])),
    case("upsampling linear 2D", [2, 2, 3, 2], *plain(lambda x: [F.interpolate(x, scale_factor=(2, 2), mode="bilinear")])),
    case("upsampling nearest 3D", [1, 2, 2, 3, 2], *plain(lambda x: [F.interpolate(x, scale_factor=(2, 1, 2), mode="nearest")])),
    case("upsampling nearest 2D", [1, 2, 3, 2], *plain(lambda x: [F.interpolate(x, scale_factor=(2, 3), mode="nearest")])),
    case("dropout", [2, 2, 3, 2], *plain(lambda x: [dropped(x, 0.4)])),
    case("dropout 3D", [2, 3, 2, 3, 2], *plain(lambda x: [dropped(x, 0.25)])),
    case("two outputs", [2, 2, 4, 4],
         {"down": nn.Conv2d(4, 6, 3, 2, 1), "head": nn.Conv2d(6, 2, 1), "up": nn.ConvTranspose2d(6, 4, 2, 2)}, two),
]

print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]")
