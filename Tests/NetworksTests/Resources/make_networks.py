"""Makes networks.json: tiny networks of the nnU-Net family with their parameter names and their answers.

The networks are those of the dynamic-network-architectures package, evaluated in float64 by PyTorch. Weights follow
the formula of `formula_weights`, so that the file needs to hold none.

    python make_networks.py > networks.json
"""

import json
import pydoc

import torch
from torch import nn
import dynamic_network_architectures.architectures.unet as unet

UNET = "dynamic_network_architectures.architectures.unet."
BLOCKS = "dynamic_network_architectures.building_blocks.residual."


def formula_weights(module):
    """0.3 sin(0.7 k + 0.2) for the k-th element; 1 is added to scales and running variances."""
    names, k = [], 0
    state = module.state_dict()
    for name, tensor in state.items():
        if name.startswith("decoder.encoder.") or ".all_modules." in name or name.endswith("num_batches_tracked"):
            continue
        count = tensor.numel()
        values = 0.3 * torch.sin(0.7 * torch.arange(k, k + count, dtype=torch.float64) + 0.2)
        if name.endswith("norm.weight") or name.endswith("running_var"):
            values += 1.0
        # Rounded to float32, as a checkpoint stores them; names that share a tensor see the change.
        tensor.copy_(values.float().double().reshape(tensor.shape))
        names.append([name, list(tensor.shape)])
        k += count
    return names


def architecture(cls, rank, **arguments):
    kwargs = {
        "conv_op": f"torch.nn.modules.conv.Conv{rank}d",
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{rank}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    kwargs.update(arguments)
    return {
        "network_class_name": UNET + cls,
        "arch_kwargs": kwargs,
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin", "block"],
    }


def case(name, shape, classes, plans, batch_norm=False):
    kwargs = dict(plans["arch_kwargs"])
    if batch_norm:  # what nnUNetTrainerBN does behind the plans' back
        kwargs["norm_op"] = kwargs["norm_op"].replace("instancenorm.Instance", "batchnorm.Batch")
    for key in plans["_kw_requires_import"]:
        if isinstance(kwargs.get(key), str):
            kwargs[key] = pydoc.locate(kwargs[key])
    cls = getattr(unet, plans["network_class_name"].split(".")[-1])
    module = cls(input_channels=shape[1], num_classes=classes, deep_supervision=True, **kwargs).double().eval()
    with torch.no_grad():
        parameters = formula_weights(module)
        module.decoder.deep_supervision = False
        count = torch.Size(shape).numel()
        values = torch.cos(0.5 * torch.arange(count, dtype=torch.float64)).float().double().reshape(shape)
        output = module(values)
    return {
        "name": name,
        "architecture": plans,
        "input_shape": shape,
        "classes": classes,
        "parameters": parameters,
        "output_shape": list(output.shape),
        "output": [round(v, 8) for v in output.flatten().tolist()],
    }


ANISOTROPIC = {
    "n_stages": 3,
    "features_per_stage": [2, 3, 4],
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "n_conv_per_stage_decoder": [1, 2],
}

CASES = [
    case(
        "plain, anisotropic, 2 samples, 2 channels", [2, 2, 4, 8, 12], 3,
        architecture("PlainConvUNet", 3, n_conv_per_stage=[1, 2, 2], **ANISOTROPIC)),
    case(
        "plain, 2D, one value for all stages", [1, 1, 8, 12], 2,
        architecture(
            "PlainConvUNet", 2, n_stages=3, features_per_stage=3, kernel_sizes=3, strides=[1, 2, [2, 3]],
            n_conv_per_stage=2, n_conv_per_stage_decoder=1)),
    case(
        "plain, 3D, shrinking in the first stage", [1, 1, 4, 8, 8], 2,
        architecture(
            "PlainConvUNet", 3, n_stages=2, features_per_stage=[2, 3], kernel_sizes=[3, [1, 3, 5]], strides=2,
            n_conv_per_stage=1, n_conv_per_stage_decoder=1)),
    case(
        "plain, activation first", [1, 1, 4, 8, 8], 2,
        architecture("PlainConvUNet", 3, n_conv_per_stage=[2, 1, 1], nonlin_first=True, **ANISOTROPIC)),
    case(
        "plain, no bias, slope 0.2", [1, 1, 4, 8, 8], 2,
        architecture(
            "PlainConvUNet", 3, n_conv_per_stage=[1, 1, 1], **ANISOTROPIC,
            conv_bias=False, nonlin_kwargs={"negative_slope": 0.2})),
    case(
        "plain, ReLU, no normalisation", [1, 1, 4, 8, 8], 2,
        architecture(
            "PlainConvUNet", 3, n_conv_per_stage=[1, 1, 1], **ANISOTROPIC,
            norm_op=None, norm_op_kwargs=None, nonlin="torch.nn.ReLU", nonlin_kwargs=None)),
    case(
        "plain, normalisation without parameters, dropout", [1, 1, 4, 8, 8], 2,
        architecture(
            "PlainConvUNet", 3, n_conv_per_stage=[1, 1, 1], **ANISOTROPIC, norm_op_kwargs={"eps": 0.001},
            dropout_op="torch.nn.modules.dropout.Dropout3d", dropout_op_kwargs={"p": 0.3})),
    case(
        "plain, batch normalisation", [2, 1, 4, 8, 8], 2,
        architecture("PlainConvUNet", 3, n_conv_per_stage=[1, 2, 1], **ANISOTROPIC), batch_norm=True),
    case(
        "residual encoder", [1, 2, 4, 8, 8], 3,
        architecture("ResidualEncoderUNet", 3, n_blocks_per_stage=[1, 2, 1], **ANISOTROPIC)),
    case(
        "residual encoder, skip of pooling only", [1, 1, 8, 8], 2,
        architecture(
            "ResidualEncoderUNet", 2, n_stages=3, features_per_stage=[2, 3, 3], kernel_sizes=3,
            strides=[1, 2, [1, 2]], n_blocks_per_stage=[1, 1, 2], n_conv_per_stage_decoder=1)),
    case(
        "residual encoder, bottleneck blocks, wide stem", [1, 1, 4, 8, 8], 2,
        architecture(
            "ResidualEncoderUNet", 3, n_blocks_per_stage=[1, 2, 1], **ANISOTROPIC, stem_channels=4,
            block=BLOCKS + "BottleneckD", bottleneck_channels=[2, 2, 3])),
    case(
        "residual encoder and decoder", [1, 1, 4, 8, 8], 2,
        architecture("ResidualUNet", 3, n_blocks_per_stage=[1, 2, 1], **ANISOTROPIC)),
    case(
        "residual, bottleneck blocks in the encoder only", [1, 1, 4, 8, 8], 2,
        architecture(
            "ResidualUNet", 3, n_blocks_per_stage=[1, 1, 1], **ANISOTROPIC, block=BLOCKS + "BottleneckD",
            bottleneck_channels=2)),
]

# One line per network: the file stays readable and small.
print("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]")
