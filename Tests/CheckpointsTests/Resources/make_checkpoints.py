"""Makes the golden files beside this script with the original tools (PyTorch, NumPy, safetensors).

Run: python make_checkpoints.py. The values follow from the formulas below, which the tests repeat.
"""

import collections
import io
import os
import pickle
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

os.chdir(os.path.dirname(os.path.abspath(__file__)))


def ramp(*shape, dtype=torch.float32):
    """0, 0.25, 0.5, ...: exact in every type used here."""
    count = int(np.prod(shape))
    return (torch.arange(count, dtype=torch.float32) / 4).reshape(shape).to(dtype)


weights = collections.OrderedDict()
shared = ramp(4, 3, 3)
weights["module.encoder.conv.weight"] = shared
weights["module.encoder.all_modules.0.weight"] = shared
weights["module.decoder.encoder.conv.weight"] = shared
weights["module._orig_mod.decoder.seg.weight"] = ramp(2, 5)
weights["module.decoder._orig_mod.seg.bias"] = ramp(5)
weights._metadata = collections.OrderedDict(version=1)

nnunet = {
    "network_weights": weights,
    "optimizer_state": {"state": {0: {"momentum_buffer": None}}, "param_groups": [{"lr": 0.01, "params": [0]}]},
    "grad_scaler_state": None,
    "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "epochs": np.arange(3)},
    "_best_ema": np.float64(0.75),
    "current_epoch": 3,
    "init_args": {
        "plans": {"dataset_name": "Dataset000_Test", "spacing": [1.0, 0.5], "regions": {"1": (1, 2)}, "none": None},
        "configuration": "3d_fullres",
        "fold": "all",
        "dataset_json": {"labels": {"background": 0, "liver": 1}},
        "device": torch.device("cuda", 0),
    },
    "trainer_name": "nnUNetTrainer",
    "inference_allowed_mirroring_axes": (0, 1),
}
torch.save(nnunet, "nnunet.pth")
torch.save({"state_dict": weights, "epoch": 5}, "nnunet_v1_legacy.model", _use_new_zipfile_serialization=False)

strided = {
    "transposed": ramp(3, 4).t(),
    "step": ramp(10)[1::3],
    "offset": ramp(4, 4)[2, 1:],
    "expanded": ramp(1, 2).expand(3, 2),
    "scalar": torch.tensor(1.5),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(ramp(2)),
}
parameter = torch.nn.Parameter(ramp(3))
parameter.note = "an attribute"
strided["parameter with state"] = parameter
tagged = ramp(2)
tagged.note = "an attribute"
strided["tensor with attributes"] = tagged
torch.save(strided, "strided.pth")

types = {}
for name in ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool").split():
    types[name] = torch.tensor([0, 1, 3, 100]).to(getattr(torch, name))
torch.save(types, "types.pth")
save_file(types, "types.safetensors", metadata={"made": "by the reference"})
legacy_types = {key: types[key] for key in types if key not in ("uint64", "uint32", "uint16")}
torch.save(legacy_types, "types_legacy.pth", _use_new_zipfile_serialization=False)
torch.save(types, "types_protocol4.pth", pickle_protocol=4)

special = torch.tensor([0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x8001, 0xBC00], dtype=torch.int32)
torch.save({"half": special.to(torch.int16).view(torch.float16)}, "half.pth")

# A checkpoint whose members were packed again by another tool, deflated.
buffer = io.BytesIO()
torch.save({"weight": ramp(64, 16)}, buffer)
source = zipfile.ZipFile(buffer)
with zipfile.ZipFile("deflated.pth", "w", zipfile.ZIP_DEFLATED) as target:
    for info in source.infolist():
        target.writestr(zipfile.ZipInfo(info.filename), source.read(info.filename), zipfile.ZIP_DEFLATED)

# Kinds of values that are kept as placeholders.
torch.save({"network_weights": {"a": torch.zeros(2, dtype=torch.complex64)}}, "complex.pth")

things = {
    "f8": np.arange(3.0),
    "fortran": np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "object": np.array([1, "two", None], dtype=object),
    "text": np.array(["a", "bcd"]),
    "scalars": [np.float32(0.5), np.float64(0.25), np.int64(-3), np.bool_(True), np.str_("liver"), np.uint8(200)],
    "ordered": collections.OrderedDict([(0, "zero"), (1, "one")]),
    "default": collections.defaultdict(list, {2: [1]}),
    "set": {7},
    "frozenset": frozenset({8}),
    "tuple keys": {(1, 2): "pair", 3: "int", None: "none", True: "true"},
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"abc"),
    "long": [2**40, -(2**40), 255, -1, 65535, -(2**31), 2**63 - 1, -(2**63)],
    "huge": 2**80,
    "float": [1.5, -0.0, float("inf")],
    "text é": "non-ASCII \u20ac \U0001f600",
    "empty": [(), [], {}, "", b""],
    "long text": "x" * 300,
    "complex": 1 + 2j,
    "range": range(3),
}
for protocol in range(6):
    with open(f"things_{protocol}.pkl", "wb") as file:
        values = {k: v for k, v in things.items() if protocol > 1 or k not in ("huge",)}
        pickle.dump(values, file, protocol=protocol)

# What nnU-Net v1 stores: integer keys and NumPy values inside an OrderedDict.
plans = collections.OrderedDict(
    num_stages=1,
    modalities={0: "CT"},
    plans_per_stage={
        0: {
            "batch_size": 2,
            "patch_size": np.array([40, 56, 40]),
            "current_spacing": np.array([1.0, 0.75, 0.75]),
            "pool_op_kernel_sizes": [[2, 2, 2], [1, 2, 2]],
            "do_dummy_2D_data_aug": np.bool_(False),
        }
    },
    transpose_forward=[0, 1, 2],
    dataset_properties={"intensityproperties": {0: {"mean": np.float32(0.5), "sd": np.float64(2.0)}}},
    keep_only_largest_region=None,
)
with open("v1_plans.pkl", "wb") as file:
    pickle.dump(plans, file, protocol=4)

np.savez_compressed("arrays.npz", floats=np.arange(24, dtype="f4").reshape(2, 3, 4) / 4, ints=np.arange(5, dtype="u2"))
np.savez("stored.npz", doubles=np.asfortranarray(np.arange(6.0).reshape(2, 3)), halves=np.arange(3, dtype=">f2"))
np.save("scalar.npy", np.float32(2.5))
