"""Makes reference_scans.json: what nnU-Net's readers make of the real scans of the reference data.

    python make_reference_scans.py FOLDER_WITH_THE_REFERENCE_DATA
"""
import json
import os
import sys
import zlib

import numpy as np
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO, SimpleITKIOWithReorient

data = sys.argv[1]
files = ["totalseg/images/example_ct.nii.gz", "totalseg/images/example_ct_sm.nii.gz",
         "totalseg/images/example_mr_sm.nii.gz", "totalseg/reference/fast_ml.nii.gz"]
for folder in ("Dataset004_Hippocampus/imagesTs", "Dataset004_Hippocampus/labelsTs", "Dataset005_HippoAniso/imagesTs",
               "reference/h3d_f0"):
    names = sorted(n for n in os.listdir(os.path.join(data, folder)) if n.endswith(".nii.gz"))
    files += [f"{folder}/{name}" for name in names[:5]]
entries = []
for file in files:
    for reader in (SimpleITKIO, SimpleITKIOWithReorient, NibabelIO, NibabelIOWithReorient):
        voxels, properties = reader().read_images([os.path.join(data, file)])
        entries.append({
            "file": file, "reader": reader.__name__, "shape": list(voxels.shape),
            "spacing": [float(s) for s in properties["spacing"]],
            "crc32": zlib.crc32(np.ascontiguousarray(voxels, "<f4").tobytes()), "sum": float(voxels.astype("f8").sum())})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference_scans.json"), "w") as out:
    json.dump(entries, out, indent=0)
