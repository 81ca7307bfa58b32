#!/usr/bin/env python3
"""Makes an nnU-Net v2 model folder with random weights, for benchmarks and tests.

Needs a Python with torch and dynamic_network_architectures (both come with nnunetv2).

    Benchmarks/make_model.py OUT --classes 118 --features 8,16,32,64 --patch 64,64,64 --spacing 1.5,1.5,1.5
"""
import argparse, json
from pathlib import Path

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--features", default="4,8,16")
    parser.add_argument("--patch", default="16,16,16")
    parser.add_argument("--spacing", default="1,1,1")
    parser.add_argument("--scheme", default="ZScoreNormalization")
    parser.add_argument("--mirror", default="", help="mirror axes, as 0,1,2")
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--ending", default=".nii.gz")
    parser.add_argument("--reader", default="SimpleITKIO")
    arguments = parser.parse_args()
    numbers = lambda text, kind=int: [kind(n) for n in text.split(",") if n]
    features, patch = numbers(arguments.features), numbers(arguments.patch)
    rank, stages = len(patch), len(features)
    spacing = numbers(arguments.spacing, float)
    configuration = "3d_fullres" if rank == 3 else "2d"
    convolution = f"torch.nn.modules.conv.Conv{rank}d"
    norm = f"torch.nn.modules.instancenorm.InstanceNorm{rank}d"
    architecture = {
        "n_stages": stages, "features_per_stage": features, "conv_op": convolution,
        "kernel_sizes": [[3] * rank] * stages, "strides": [[1] * rank] + [[2] * rank] * (stages - 1),
        "n_conv_per_stage": [2] * stages, "n_conv_per_stage_decoder": [2] * (stages - 1), "conv_bias": True,
        "norm_op": norm, "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None,
        "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}}
    resampling = lambda order, seg: {"is_seg": seg, "order": order, "order_z": 0, "force_separate_z": None}
    properties = {"max": 3000.0, "mean": 40.0, "median": 30.0, "min": -1024.0, "percentile_00_5": -1000.0,
                  "percentile_99_5": 1000.0, "std": 300.0}
    plans = {
        "dataset_name": "Dataset999_Made", "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.0] * 3, "original_median_shape_after_transp": [100] * 3,
        "image_reader_writer": arguments.reader, "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
        "configurations": {configuration: {
            "data_identifier": f"nnUNetPlans_{configuration}", "preprocessor_name": "DefaultPreprocessor",
            "batch_size": 2, "patch_size": patch, "median_image_size_in_voxels": [100.0] * rank, "spacing": spacing,
            "normalization_schemes": [arguments.scheme] * arguments.channels,
            "use_mask_for_norm": [False] * arguments.channels,
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": resampling(3, False), "resampling_fn_seg_kwargs": resampling(1, True),
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": resampling(1, False),
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": architecture, "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]},
            "batch_dice": False}},
        "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(c): properties for c in range(arguments.channels)}}
    dataset = {
        "channel_names": {str(c): f"channel{c}" for c in range(arguments.channels)},
        "labels": {"background": 0} | {f"class{c}": c for c in range(1, arguments.classes)},
        "numTraining": 1, "file_ending": arguments.ending}
    operators = architecture | {
        "conv_op": getattr(torch.nn, f"Conv{rank}d"), "norm_op": getattr(torch.nn, f"InstanceNorm{rank}d"),
        "nonlin": torch.nn.LeakyReLU}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("plans.json", plans), ("dataset.json", dataset)):
        (arguments.folder / name).write_text(json.dumps(content, indent=4))
    for fold in range(arguments.folds):
        torch.manual_seed(fold)
        network = PlainConvUNet(input_channels=arguments.channels, num_classes=arguments.classes,
                                deep_supervision=True, **operators)
        for parameter in network.parameters():
            if parameter.dim() > 1:
                torch.nn.init.kaiming_normal_(parameter, a=0.01)
        weights = network.state_dict()
        (arguments.folder / f"fold_{fold}").mkdir(exist_ok=True)
        torch.save({
            "network_weights": weights, "optimizer_state": {"state": {}, "param_groups": []},
            "grad_scaler_state": None, "logging": {}, "_best_ema": None, "current_epoch": 1,
            "init_args": {"plans": plans, "configuration": configuration, "fold": fold, "dataset_json": dataset,
                          "device": torch.device("cpu")},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": tuple(numbers(arguments.mirror)) or None,
        }, arguments.folder / f"fold_{fold}" / "checkpoint_final.pth")


if __name__ == "__main__":
    main()
