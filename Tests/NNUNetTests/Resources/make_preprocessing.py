"""Makes `preprocessing/`: a small dataset and what nnU-Net makes of it.

Run with nnunetv2 2.8.1 installed:  python make_preprocessing.py
The dataset has what is easily got wrong: two channels, an anisotropic axis that is not the first, a background of zeros
with a hole, regions, and an ignore label. Preprocessed are only a few configurations, to keep the files small.
"""

import json
import os
import shutil
import subprocess
import tempfile

import numpy as np
import SimpleITK as sitk

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "Dataset043_Small"


def write(array, spacing, path):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((1.0, 2.0, -3.0))
    sitk.WriteImage(image, path)


def make(folder):
    random = np.random.RandomState(0)
    for name in ("imagesTr", "labelsTr"):
        os.makedirs(os.path.join(folder, name))
    for case in range(2):
        shape = (24 + 3 * case, 28, 9 - case)
        spacing = (4.0 + 0.3 * case, 1.1, 0.9 + 0.1 * case)
        z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
        body = z**2 + y**2 + (x / 1.3) ** 2 < 0.7
        hole = (z - 0.3) ** 2 + y**2 + x**2 < 0.05
        distance = (z + 0.2) ** 2 + y**2 + x**2
        labels = np.zeros(shape, np.uint8)
        for label, radius in ((1, 0.25), (2, 0.15), (3, 0.06)):
            labels[distance < radius] = label
        labels[:3] = 4
        write(labels, spacing, f"{folder}/labelsTr/case{case}.nii.gz")
        for channel in range(2):
            image = np.round(random.randn(*shape) * 30 + 100 * (labels > 0) + 200 * channel + z * 80)
            image[~body | hole] = 0
            write(image.astype(np.int16), spacing, f"{folder}/imagesTr/case{case}_000{channel}.nii.gz")
    description = {
        "channel_names": {"0": "CT", "1": "MR"},
        "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "centre": 3, "ignore": 4},
        "regions_class_order": [1, 2, 3],
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }
    with open(f"{folder}/dataset.json", "w") as file:
        json.dump(description, file, indent=1)


def main():
    target = os.path.join(HERE, "preprocessing")
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        roots = {f"nnUNet_{name}": f"{scratch}/{name}" for name in ("raw", "preprocessed", "results")}
        for root in roots.values():
            os.makedirs(root)
        make(f"{scratch}/raw/{NAME}")
        environment = {**os.environ, **roots}

        def run(*words):
            subprocess.run(words, env=environment, check=True)

        run("nnUNetv2_extract_fingerprint", "-d", "43", "-np", "2")
        for planner in ("ExperimentPlanner", "nnUNetPlanner_torchres", "nnUNetPlannerResEncL_torchres_sepz",
                        "nnUNetPlannerResEncL_noResampling", "ResEncUNetPlanner"):
            run("nnUNetv2_plan_experiment", "-d", "43", "-pl", planner)
        run("nnUNetv2_preprocess", "-d", "43", "-c", "3d_fullres", "-np", "1")
        run("nnUNetv2_preprocess", "-d", "43", "-c", "3d_fullres", "-np", "1", "-plans_name", "nnUNetPlans_torchres")
        shutil.copytree(f"{scratch}/raw/{NAME}", f"{target}/raw/{NAME}")
        shutil.copytree(f"{scratch}/preprocessed/{NAME}", f"{target}/preprocessed/{NAME}")
        shutil.rmtree(f"{target}/preprocessed/{NAME}/gt_segmentations")


if __name__ == "__main__":
    main()
