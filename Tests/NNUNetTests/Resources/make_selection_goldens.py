"""Makes the folders in selection/: small segmentations, and what nnunetv2 2.8.1 decides about their postprocessing.

    python make_selection_goldens.py OUTPUT [SEED...]

Per seed and kind (labels, regions, ignore) a folder with ref/, pred/ and, made by nnunetv2 itself, pred/summary.json,
pred/postprocessing.json, pred/postprocessing.pkl and pred/postprocessed/.
"""
import json
import os
import sys

import numpy as np
import SimpleITK as sitk
from nnunetv2.postprocessing.remove_connected_components import determine_postprocessing

SHAPE = (9, 16, 14)


def write(path, array):
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing((0.7, 0.8, 2.5))
    sitk.WriteImage(image, path)


def case(rng, kind, noise):
    z, y, x = np.indices(SHAPE)
    organ = np.zeros(SHAPE, int)
    a = rng.integers(3, 6), rng.integers(5, 9), rng.integers(5, 8)
    r = rng.integers(2, 5)
    organ[(z - a[0]) ** 2 * 3 + (y - a[1]) ** 2 + (x - a[2]) ** 2 <= r * r] = 1
    organ[(organ == 1) & (x > a[2])] = 2
    if rng.random() < 0.4:  # a part of the truth that is not connected
        organ[0:2, 13:15, 1 + 8 * rng.integers(0, 2):5] = rng.integers(1, 3)
    prediction = organ.copy()
    prediction[rng.random(SHAPE) < 0.02] = 0
    for label in (1, 2):
        for _ in range(rng.poisson(noise[label - 1])):
            p = [rng.integers(0, s - 2) for s in SHAPE]
            size = rng.integers(1, 3)
            prediction[p[0]:p[0] + size, p[1]:p[1] + size, p[2]:p[2] + 2] = label
    if kind == "ignore":
        organ[rng.random(SHAPE) < 0.1] = 3
    return organ, prediction


def main(output, seeds):
    for seed in seeds:
        for number, kind in enumerate(("labels", "regions", "ignore")):
            rng = np.random.default_rng(10 * seed + number)
            folder = os.path.join(output, f"{kind}_{seed}")
            for name in ("ref", "pred"):
                os.makedirs(os.path.join(folder, name))
            noise = [(3, 0), (0, 3), (2, 2), (0.2, 0.2)][seed % 4]
            for index in range(5 + 2 * (seed % 3)):
                reference, prediction = case(rng, kind, noise)
                write(f"{folder}/ref/case_{index:02}.nii.gz", reference)
                write(f"{folder}/pred/case_{index:02}.nii.gz", prediction)
            labels = {
                "labels": {"background": 0, "one": 1, "two": 2},
                "regions": {"background": 0, "whole": [1, 2], "two": [2]},
                "ignore": {"background": 0, "one": 1, "two": 2, "ignore": 3},
            }[kind]
            dataset = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 5, "file_ending": ".nii.gz"}
            if kind == "regions":
                dataset["regions_class_order"] = [1, 2]
            plans = {
                "dataset_name": "Dataset300_Made", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
                "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "configurations": {"2d": {}},
                "label_manager": "LabelManager", "experiment_planner_used": "ExperimentPlanner",
            }
            for name, content in (("dataset", dataset), ("plans", plans)):
                with open(f"{folder}/pred/{name}.json", "w") as file:
                    json.dump(content, file)
            os.chdir(folder)
            determine_postprocessing("pred", "ref", "pred/plans.json", "pred/dataset.json", num_processes=1)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0])
