"""Prints what PyTorch reads from the reference checkpoints, for comparison: make_reference_weights.py SHARED_FOLDER"""

import glob
import json
import os
import sys

import torch

root = os.path.join(sys.argv[1], "data", "models")
result = {}
for path in sorted(glob.glob(os.path.join(root, "*/*/*/*.pth"))):
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    weights = checkpoint["network_weights"]
    names = list(weights)
    probes = {}
    for name in (names[0], names[len(names) // 2], names[-1]):
        values = weights[name].double().flatten()
        probes[name] = {
            "shape": list(weights[name].shape),
            "first": values[:4].tolist(),
            "sum": values.sum().item(),
        }
    axes = checkpoint["inference_allowed_mirroring_axes"]
    result[os.path.relpath(path, root)] = {
        "names": len(names),
        "storages": len({w.untyped_storage().data_ptr() for w in weights.values()}),
        "trainer": checkpoint["trainer_name"],
        "configuration": checkpoint["init_args"]["configuration"],
        "fold": str(checkpoint["init_args"]["fold"]),
        "axes": list(axes) if axes else None,
        "probes": probes,
    }
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "reference_weights.json"), "w") as file:
    json.dump(result, file, indent=1)
