#!/usr/bin/env python3
"""Makes headers/: NIfTI files with unusual headers, and what nibabel 5.4 writes when labels get their headers.

    make_headers.py OUT
"""
import json, sys
from pathlib import Path
import nibabel as nib, numpy as np

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
voxels = np.random.default_rng(1).integers(-1000, 3000, (4, 3, 5)).astype(np.int16)
flipped = np.diag([-1.5, 2, 2.5, 1])
flipped[:3, 3] = [10, 20, 30]
rotated = np.array([[.96, -.28, 0, 5], [.28, .96, 0, -7], [0, 0, 1, 9], [0, 0, 0, 1]]) @ np.diag([.8, .9, 3, 1])
facts = {}


def comment(text):
    return nib.nifti1.Nifti1Extension("comment", text)


def put(name, image, affine=None):
    nib.save(image, out / f"{name}.nii")
    loaded = nib.load(out / f"{name}.nii")
    header = loaded.header.copy()
    header.set_data_dtype(np.uint8)
    labels = (np.arange(60).reshape(4, 3, 5) % 7).astype(np.uint8)
    nib.save(nib.Nifti1Image(labels, loaded.affine if affine is None else affine, header), out / f"{name}.expected.nii")
    facts[name] = {
        "affine": loaded.affine.ravel().tolist(),
        "zooms": [float(size) for size in loaded.header.get_zooms()],
        "data": loaded.get_fdata().ravel(order="F").tolist(),
        "written": None if affine is None else affine.ravel().tolist()}


image = nib.Nifti1Image(voxels, flipped)
for key, value in {
        "descrip": b"made for tests", "cal_max": 5, "intent_code": 1002, "intent_name": b"labels", "aux_file": b"aux",
        "slice_end": 4, "slice_duration": .25, "toffset": 1.5}.items():
    image.header[key] = value
image.header.set_xyzt_units(2, 8)
image.set_qform(flipped, 1)
image.set_sform(flipped, 3)
image.header.extensions.append(comment(b"seen by nobody"))
image.header.extensions.append(nib.nifti1.Nifti1Extension(44, b"x" * 25))
put("full", image)
put("moved", image, rotated)

image = nib.Nifti1Image(voxels, flipped, nib.Nifti1Header(endianness=">"))
image.header["descrip"] = b"big"
image.set_qform(rotated, 2)
image.set_sform(None, 0)
image.header.extensions.append(comment(b"big too"))
image.header.set_slope_inter(2, -3)
put("big_endian", image)

image = nib.Nifti2Image(voxels, flipped)
image.header["descrip"] = b"version 2"
image.header["cal_min"] = -5
image.header["intent_p1"] = 3.5
image.set_qform(flipped, 1)
image.set_sform(rotated, 4)
image.header.set_xyzt_units(2, 16)
image.header.extensions.append(comment(b"two"))
put("version2", image)

image = nib.Nifti1Image((voxels / 7).astype(np.float64), None)
image.set_sform(None, 0)
image.set_qform(None, 0)
image.header["pixdim"][1:4] = [1.25, 2, 3]
put("no_form", image)

put("int32", nib.Nifti1Image(voxels.astype(np.int32) * 100000, flipped))
put("float32", nib.Nifti1Image((voxels / 7).astype(np.float32), flipped))
json.dump(facts, open(out / "headers.json", "w"))
