"""Makes gradients.json: gradients of the tiny networks of NetworksTests/Resources/networks.json, by PyTorch's autograd
in float64, in training mode with deep supervision.

The weights and the input are those of networks.json; the gradient of element n of output o is 0.1 sin(0.3 n + o).

    python make_gradients.py > gradients.json
"""

import importlib
import io
import json
import os
import pydoc
import sys
from contextlib import redirect_stdout

import torch
import dynamic_network_architectures.architectures.unet as unet

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../NetworksTests/Resources")
sys.path.insert(0, folder)
with redirect_stdout(io.StringIO()):
    networks = importlib.import_module("make_networks")


def case(golden):
    plans = golden["architecture"]
    kwargs = dict(plans["arch_kwargs"])
    if any(name.endswith("running_mean") for name, _ in golden["parameters"]):
        kwargs["norm_op"] = kwargs["norm_op"].replace("instancenorm.Instance", "batchnorm.Batch")
    for key in plans["_kw_requires_import"]:
        if isinstance(kwargs.get(key), str):
            kwargs[key] = pydoc.locate(kwargs[key])
    shape = golden["input_shape"]
    cls = getattr(unet, plans["network_class_name"].split(".")[-1])
    module = cls(input_channels=shape[1], num_classes=golden["classes"], deep_supervision=True, **kwargs)
    module = module.double().train()
    with torch.no_grad():
        networks.formula_weights(module)
    count = torch.Size(shape).numel()
    outputs = module(torch.cos(0.5 * torch.arange(count, dtype=torch.float64)).float().double().reshape(shape))
    seeds = [
        0.1 * torch.sin(0.3 * torch.arange(o.numel(), dtype=torch.float64) + k).reshape(o.shape)
        for k, o in enumerate(outputs)]
    torch.autograd.backward(outputs, seeds)
    return {
        "name": golden["name"],
        "gradients": {
            name: [float("%.5g" % v) for v in parameter.grad.flatten().tolist()]
            for name, parameter in module.named_parameters(remove_duplicate=True)
            if not name.startswith("decoder.encoder.") and ".all_modules." not in name
        },
    }


with open(os.path.join(folder, "networks.json")) as file:
    goldens = json.load(file)
cases = [case(golden) for golden in goldens if "dropout" not in golden["name"]]
print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")
