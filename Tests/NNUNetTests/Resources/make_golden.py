#!/usr/bin/env python3
"""Makes golden/: small networks with random weights in unusual configurations, small images, and what nnU-Net says.

Needs a Python with nnunetv2 (2.8.1 made the committed files), SimpleITK, nibabel, tifffile and Pillow.

    make_golden.py OUT [VARIANT ...]

Layout: weights/NAME.pth.gz are checkpoints that several variants share. Each variant is a folder with plans.json,
dataset.json, images/, expected/ and run.json: which checkpoint lies in which fold, and how the model is to be run.
"""
import copy, gzip, json, os, sys, zlib
from pathlib import Path

os.environ.setdefault("nnUNet_raw", "/tmp/none")
os.environ.setdefault("nnUNet_preprocessed", "/tmp/none")
os.environ.setdefault("nnUNet_results", "/tmp/none")

import nibabel, numpy as np, SimpleITK as sitk, tifffile, torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

torch.set_num_threads(2)
OUT = Path(sys.argv[1])
WEIGHTS = OUT.parent / "weights"
WANTED = sys.argv[2:]


# ---------------------------------------------------------------------------------------------------------- images
def smooth(shape, seed, low=0.0, high=200.0, sigma=2.0):
    """A blurred random field with values in [low, high], in 50 steps so that it compresses well."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), [min(sigma, n / 4) for n in shape])
    field -= field.min()
    return low + (high - low) * np.round(50 * field / max(field.max(), 1e-9)) / 50


def framed(array, border):
    """Zeros around, and a hole inside."""
    result = np.zeros_like(array)
    inner = tuple(slice(b, n - b) for b, n in zip(border, array.shape))
    result[inner] = array[inner] + 1
    center = tuple(slice(n // 2, n // 2 + 2) for n in array.shape)
    result[center] = 0
    return result


def itk(array, path, spacing=(1, 1, 1), origin=None, direction=None, dtype=np.uint8):
    """`spacing` in array axis order."""
    image = sitk.GetImageFromArray(np.asarray(array).astype(dtype))
    image.SetSpacing([float(s) for s in spacing[::-1]])
    image.SetOrigin(origin or [float(3 * i - 7) for i in range(image.GetDimension())])
    if direction is not None:
        image.SetDirection([float(v) for v in np.asarray(direction).ravel()])
    sitk.WriteImage(image, str(path), True)


def nifti(array, path, affine, dtype=np.uint8):
    """`array` in nibabel's axis order."""
    nibabel.save(nibabel.Nifti1Image(np.asarray(array).astype(dtype), affine), path)


def rotation(degrees_z, degrees_x=0.0):
    a, b = np.deg2rad([degrees_z, degrees_x])
    z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return z @ x


# ---------------------------------------------------------------------------------------------------------- models
def architecture(rank=3, features=(4, 8), kind="plain", strides=None, kernels=None):
    stages = len(features)
    convolution = f"torch.nn.modules.conv.Conv{rank}d"
    arguments = {
        "n_stages": stages, "features_per_stage": list(features), "conv_op": convolution,
        "kernel_sizes": kernels or [[3] * rank] * stages,
        "strides": strides or [[1] * rank] + [[2] * rank] * (stages - 1),
        "n_conv_per_stage": [1] * stages, "n_conv_per_stage_decoder": [1] * (stages - 1), "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{rank}d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}}
    imports = ["conv_op", "norm_op", "dropout_op", "nonlin"]
    name = "PlainConvUNet"
    if kind != "plain":
        name = "ResidualEncoderUNet"
        arguments["n_blocks_per_stage"] = arguments.pop("n_conv_per_stage")
    if kind == "bottleneck":
        arguments["block"] = "dynamic_network_architectures.building_blocks.residual.BottleneckD"
        arguments["bottleneck_channels"] = [max(2, f // 2) for f in features]
        imports.append("block")
    return {"network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
            "arch_kwargs": arguments, "_kw_requires_import": imports}


def spline(order, seg=False, **more):
    return {"is_seg": seg, "order": order, "order_z": 0, "force_separate_z": None} | more


PROPERTIES = {"max": 3000.0, "mean": 90.0, "median": 90.0, "min": -1024.0, "percentile_00_5": 20.0,
              "percentile_99_5": 180.0, "std": 40.0}


def configuration(patch=(16, 16, 16), spacing=(1, 1, 1), schemes=("ZScoreNormalization",), masks=None, net=None, **more):
    rank = len(patch)
    return {
        "data_identifier": "made", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": list(patch), "median_image_size_in_voxels": [20.0] * rank, "spacing": [float(s) for s in spacing],
        "normalization_schemes": list(schemes), "use_mask_for_norm": list(masks or [False] * len(schemes)),
        "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_data_kwargs": spline(3),
        "resampling_fn_seg": "resample_data_or_seg_to_shape", "resampling_fn_seg_kwargs": spline(1, True),
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": spline(1),
        "architecture": net or architecture(rank), "batch_dice": False} | more


def legacy(config):
    """The same configuration as nnU-Net 2.0 to 2.3 wrote it."""
    config = copy.deepcopy(config)
    arguments = config.pop("architecture")["arch_kwargs"]
    return config | {
        "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": arguments["features_per_stage"][0],
        "n_conv_per_stage_encoder": arguments["n_conv_per_stage"],
        "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"], "num_pool_per_axis": [1, 1, 1],
        "pool_op_kernel_sizes": arguments["strides"], "conv_kernel_sizes": arguments["kernel_sizes"],
        "unet_max_num_features": 320}


def checkpoint(path, plans, name, dataset, channels, outputs, seed, trainer="nnUNetTrainer", mirror=None, prefix="",
               zipped=True):
    config = plans["configurations"][name]
    description = copy.deepcopy(config["architecture"])
    arguments = description["arch_kwargs"]
    if trainer == "nnUNetTrainerBN":
        arguments["norm_op"] = arguments["norm_op"].replace("instancenorm.Instance", "batchnorm.Batch")
    torch.manual_seed(seed)
    network = get_network_from_plans(
        description["network_class_name"], arguments, description["_kw_requires_import"], channels, outputs,
        deep_supervision=False)
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if key.endswith("running_mean"): value.normal_(0, 0.3)
            elif key.endswith("running_var"): value.uniform_(0.5, 2)
            elif value.dtype != torch.float32: continue
            elif value.dim() > 1: torch.nn.init.kaiming_normal_(value, a=0.01)
            elif key.endswith("weight"): value.uniform_(0.5, 1.5)
            else: value.normal_(0, 0.2)
    balance(network, len(config["patch_size"]), channels)
    # The reference's own trainer writes these names twice; what is left out is filled from the other name.
    weights = {prefix + key: value for key, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"network_weights": weights, "init_args": {"configuration": name, "fold": 0}, "trainer_name": trainer,
                "current_epoch": 1, "inference_allowed_mirroring_axes": mirror},
               path, _use_new_zipfile_serialization=zipped)


def balance(network, rank, channels):
    """Gives every class the same mean and spread of logits on a smooth image, so that all of them occur."""
    shape = (16,) * rank
    fields = [smooth(shape, 90 + c, -1.7, 1.7, sigma=1.5) for c in range(channels)]
    inputs = torch.from_numpy(np.stack(fields)[None]).float()
    layer = network.decoder.seg_layers[-1]
    with torch.no_grad():
        logits = network.eval()(inputs)[0].flatten(1)
        scale = 3 / logits.std(1).clamp(min=1e-3)
        layer.weight *= scale.reshape(-1, *[1] * (rank + 1))
        layer.bias.copy_((layer.bias - logits.mean(1)) * scale)
        if len(layer.bias) > 200: layer.bias[-1] += 4  # The last label decides how many bits the file needs.


# -------------------------------------------------------------------------------------------------------- variants
class Variant:
    def __init__(self, name, config=None, labels=3, dataset=None, images=None, channels=None, ending=".nii.gz",
                 reader="SimpleITKIO", transpose=(0, 1, 2), configurations=None, use="3d_fullres", weights=None,
                 trainer="nnUNetTrainer", mirror=None, folds=1, step=0.5, mirroring=True, previous=None,
                 seed=None, write_as=None, zipped=True):
        self.name, self.ending, self.use, self.folds = name, ending, use, folds
        self.step, self.mirroring, self.previous = step, mirroring, previous
        self.trainer, self.mirror, self.images, self.zipped, self.write_as = trainer, mirror, images, zipped, write_as
        config = config or configuration()
        configurations = configurations or {use: config}
        config = configurations[use] if "inherits_from" not in configurations[use] else (
            configurations[configurations[use]["inherits_from"]] | configurations[use])
        self.config = config
        self.plans = {
            "dataset_name": "Dataset999_Made", "plans_name": "nnUNetPlans",
            "original_median_spacing_after_transp": [1.0] * 3, "original_median_shape_after_transp": [20] * 3,
            "image_reader_writer": reader, "transpose_forward": list(transpose),
            "transpose_backward": [int(i) for i in np.argsort(transpose)], "configurations": configurations,
            "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": {
                str(c): PROPERTIES for c in range(len(config["normalization_schemes"]))}}
        self.channels = channels or len(config["normalization_schemes"])
        self.dataset = {
            "channel_names": {str(c): f"channel{c}" for c in range(self.channels)},
            "labels": {"background": 0} | {f"class{c}": c for c in range(1, labels)}, "numTraining": 1,
            "file_ending": ending} | (dataset or {})
        entries = {k: v for k, v in self.dataset["labels"].items() if k != "ignore"}
        self.outputs = len(entries) - 1 if "regions_class_order" in self.dataset else len(entries)
        self.foreground = sorted({n for v in entries.values() for n in (v if isinstance(v, list) else [v])} - {0})
        self.seed = zlib.crc32(name.encode()) % 1000 if seed is None else seed
        rank = len(config["patch_size"])
        self.weights = weights or f"plain{rank}d_{self.channels}_{self.outputs}"

    def predictor(self, folder):
        predictor = nnUNetPredictor(
            tile_step_size=self.step, use_mirroring=self.mirroring, device=torch.device("cpu"), verbose=False,
            verbose_preprocessing=False, allow_tqdm=False, perform_everything_on_device=False)
        predictor.initialize_from_trained_model_folder(str(folder), list(range(self.folds)))
        return predictor

    def make(self):
        folder = OUT / self.name
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "expected").mkdir(exist_ok=True)
        for name, content in (("plans.json", self.plans), ("dataset.json", self.dataset)):
            (folder / name).write_text(json.dumps(content, separators=(",", ":")))
        self.images(folder / "images")
        stages = [(self.previous, self.weights + "_first"), (self.use, self.weights)] if self.previous else [
            (self.use, self.weights)]
        first_output = None
        for use, weights in stages:
            extra = len(self.foreground) if self.plans["configurations"][use].get("previous_stage") else 0
            resolved = PlansView(self.plans, use)
            run = []
            for fold in range(self.folds):
                name = weights if fold == 0 else f"{weights}_fold{fold}"
                run.append(name)
                target = WEIGHTS / f"{name}.pth"
                if not target.exists():
                    checkpoint(target, resolved, use, self.dataset, self.channels + extra, self.outputs,
                               seed=fold + zlib.crc32(weights.encode()) % 1000, trainer=self.trainer,
                               mirror=self.mirror, zipped=self.zipped)
            model = OUT.parent / "models" / self.name / f"T__P__{use}"
            for fold, name in enumerate(run):
                (model / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
                link = model / f"fold_{fold}" / "checkpoint_final.pth"
                link.unlink(missing_ok=True)
                link.symlink_to((WEIGHTS / f"{name}.pth").resolve())
            for name in ("plans.json", "dataset.json"):
                (model / name).write_bytes((folder / name).read_bytes())
            output = folder / "expected" if use == self.use else OUT.parent / "first" / self.name
            output.mkdir(parents=True, exist_ok=True)
            self.predictor(model).predict_from_files_sequential(
                str(folder / "images"), str(output), save_probabilities=False, overwrite=True,
                folder_with_segs_from_prev_stage=str(first_output) if first_output else None)
            for name in ("plans.json", "dataset.json", "predict_from_raw_data_args.json"):
                (output / name).unlink(missing_ok=True)
            first_output = output
        weights = dict(zip([use for use, _ in stages], [
            [w if f == 0 else f"{w}_fold{f}" for f in range(self.folds)] for _, w in stages]))
        if self.write_as:  # The same weights under other names, which nnU-Net itself would not load.
            prefix = self.write_as
            content = torch.load(WEIGHTS / f"{self.weights}.pth", weights_only=False)
            content["network_weights"] = {prefix + k: v for k, v in content["network_weights"].items()}
            name = prefix.strip("_.") + "_" + self.weights
            torch.save(content, WEIGHTS / f"{name}.pth")
            weights = {self.use: [name]}
        (folder / "run.json").write_text(json.dumps({
            "configuration": self.use, "weights": weights, "step": self.step, "mirroring": self.mirroring}, indent=1))
        for file in sorted((folder / "expected").iterdir()):
            if file.suffix == ".json": continue
            labels = read(file)
            print(f"{self.name}: {file.name} {labels.shape} {labels.dtype} "
                  f"{np.unique(labels, return_counts=True)[1].tolist()[:6]} max {labels.max()}")


def PlansView(plans, use):
    """Plans with inheritance resolved for one configuration."""
    config = dict(plans["configurations"][use])
    if "inherits_from" in config:
        config = plans["configurations"][config["inherits_from"]] | config
    if "architecture" not in config:
        config["architecture"] = architecture(len(config["patch_size"]))
    return {"configurations": {use: config}}


def read(path):
    if path.suffix == ".png": return np.asarray(Image.open(path))
    if path.suffix == ".tif": return tifffile.imread(path)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def one(shape=(18, 20, 22), spacing=(1, 1, 1), seed=1, border=None, ending=".nii.gz", **more):
    """Writes one single-channel case."""
    def write(folder):
        array = smooth(shape, seed)
        itk(framed(array, border) if border else array, folder / f"a_0000{ending}", spacing, **more)
    return write


def several(*writers):
    def write(folder):
        for writer in writers: writer(folder)
    return write


def case(name, array, spacing=(1, 1, 1), ending=".nii.gz", **more):
    return lambda folder: itk(array, folder / f"{name}_0000{ending}", spacing, **more)


def mixed_channels(folder):
    arrays = [framed(smooth((16, 20, 18), s), (2, 3, 4)) for s in range(5)]
    for channel, array in enumerate(arrays):
        dtype = np.int16 if channel == 0 else np.uint8
        itk(array - (60 if channel == 0 else 0) * (array > 0), folder / f"a_{channel:04d}.nii.gz", (1, 1.2, 1), dtype=dtype)


def rgb(folder):
    for name, shape in (("a", (30, 41)), ("b", (20, 26))):
        Image.fromarray(np.stack([smooth(shape, s + len(shape) * shape[0]) for s in range(3)], -1).astype(np.uint8)).save(
            folder / f"{name}_0000.png")


def grey(folder):
    Image.fromarray(smooth((33, 25), 3).astype(np.uint8)).save(folder / "a_0000.png")


def tiff(folder):
    tifffile.imwrite(folder / "a_0000.tif", smooth((12, 18, 20), 4).astype(np.uint8))
    (folder / "a.json").write_text(json.dumps({"spacing": [2.5, 1.1, 0.9]}))
    tifffile.imwrite(folder / "b_0000.tif", smooth((17, 16, 15), 5).astype(np.uint8))


def nibabel_images(folder):
    base = np.eye(4)
    base[:3, :3] = rotation(20, 10) @ np.diag([1.1, 1.0, 1.4])
    base[:3, 3] = [-10, 4, 30]
    nifti(smooth((20, 18, 16), 6), folder / "oblique_0000.nii.gz", base)
    flipped = np.zeros((4, 4))
    flipped[0, 1], flipped[1, 2], flipped[2, 0], flipped[3, 3] = -1.2, 1.0, -0.9, 1
    flipped[:3, 3] = [5, -6, 7]
    nifti(smooth((15, 20, 18), 7), folder / "permuted_0000.nii.gz", flipped)


def itk_directions(folder):
    itk(smooth((16, 18, 20), 8), folder / "oblique_0000.nii.gz", (1.4, 1.0, 1.1), direction=rotation(25, -15))
    itk(smooth((18, 15, 20), 9), folder / "permuted_0000.nii.gz", (0.9, 1.2, 1), direction=[[0, -1, 0], [0, 0, 1], [-1, 0, 0]])


def sizes(folder):
    for name, shape in (("small", (9, 12, 16)), ("exact", (16, 16, 16)), ("slice", (1, 20, 24)), ("thin", (20, 1, 5))):
        itk(smooth(shape, 12), folder / f"{name}_0000.nii.gz")
    itk(np.zeros((17, 18, 19)), folder / "zero_0000.nii.gz")
    itk(np.full((12, 18, 17), 7), folder / "constant_0000.nii.gz")


TORCH = {f"resampling_fn_{w}": "resample_torch_fornnunet" for w in ("data", "seg", "probabilities")} | {
    f"resampling_fn_{w}_kwargs": {"is_seg": w == "seg", "force_separate_z": None, "memefficient_seg_resampling": False}
    for w in ("data", "seg", "probabilities")}
NONE = {f"resampling_fn_{w}": "no_resampling_hack" for w in ("data", "seg", "probabilities")} | {
    f"resampling_fn_{w}_kwargs": {} for w in ("data", "seg", "probabilities")}


def force(value):
    return {"resampling_fn_data_kwargs": spline(3, force_separate_z=value),
            "resampling_fn_probabilities_kwargs": spline(1, force_separate_z=value)}


def cascade(second, **more):
    return {"3d_lowres": configuration(spacing=(1.6, 1.5, 1.4), patch=(12, 12, 12), next_stage="3d_cascade_fullres", **more),
            "3d_cascade_fullres": configuration(previous_stage="3d_lowres", **more)}


def all_variants():
    aniso = dict(patch=(8, 16, 16), spacing=(3.0, 1.0, 1.0))
    yield Variant("transpose_102", configuration(**aniso), transpose=(1, 0, 2), images=one((20, 8, 22), (1.2, 3.9, 1.1)))
    yield Variant("transpose_201", configuration(**aniso), transpose=(2, 0, 1), images=one((20, 22, 8), (1.0, 1.2, 4.2)))
    yield Variant("crop_masked", configuration(masks=[True]), images=one((26, 24, 28), (1, 1.1, 0.9), border=(4, 3, 6)))
    yield Variant("channels_mixed", configuration(
        schemes=("CTNormalization", "ZScoreNormalization", "RescaleTo01Normalization", "NoNormalization",
                 "RGBTo01Normalization"), masks=[False, True, False, False, False]), images=mixed_channels)
    plane = dict(use="2d")
    yield Variant("planar_aniso", configuration(patch=(16, 16), spacing=(1, 1)), images=one((7, 24, 21), (5, 0.8, 1.1)), **plane)
    yield Variant("planar_transposed", configuration(patch=(16, 16), spacing=(1, 1)), transpose=(1, 0, 2),
                  images=one((24, 7, 21), (0.8, 4, 1.1)), **plane)
    yield Variant("png_rgb", configuration(patch=(16, 16), spacing=(1, 1), schemes=["RGBTo01Normalization"] * 3), images=rgb,
                  ending=".png", reader="NaturalImage2DIO", **plane)
    yield Variant("png_grey", configuration(patch=(16, 16), spacing=(1, 1)), images=grey, ending=".png",
                  reader="NaturalImage2DIO", **plane)
    yield Variant("tiff3d", configuration(spacing=(1.5, 1, 1)), images=tiff, ending=".tif", reader="Tiff3DIO")
    yield Variant("nibabel", images=nibabel_images, reader="NibabelIO")
    yield Variant("nibabel_reorient", images=nibabel_images, reader="NibabelIOWithReorient")
    yield Variant("itk_oblique", images=itk_directions)
    yield Variant("itk_reorient", images=itk_directions, reader="SimpleITKIOWithReorient")
    yield Variant("nrrd", images=one(ending=".nrrd", spacing=(1.2, 1, 1)), ending=".nrrd")
    yield Variant("mha", images=one(ending=".mha", spacing=(1, 1.2, 1)), ending=".mha")
    yield Variant("nifti_2d", configuration(patch=(16, 16), spacing=(1, 1)),
                  images=case("a", smooth((24, 30), 13), (0.9, 1.1)), **plane)
    thick = one((7, 22, 20), (4.0, 1.0, 0.9))
    yield Variant("separate_z", configuration(**aniso), images=thick)
    yield Variant("separate_z_up", configuration(spacing=(1.5, 1.2, 1.2)), images=thick)
    yield Variant("separate_z_back", configuration(**(aniso | dict(spacing=(4, 1, 1)))), images=one((24, 18, 20), (1, 1.1, 1)))
    yield Variant("separate_z_forced", configuration(**force(True)), images=one((10, 18, 22), (2, 1.2, 1)))
    yield Variant("separate_z_refused", configuration(**(aniso | force(False))), images=thick)
    yield Variant("separate_z_last", configuration(patch=(16, 16, 8), spacing=(1, 1, 3.5)), images=one((20, 18, 9), (1.1, 0.9, 4)))
    yield Variant("torch_resampling", configuration(spacing=(1.2, 1.1, 0.9), **TORCH), images=one((16, 22, 18)))
    yield Variant("torch_separate_z", configuration(**aniso, **TORCH), images=thick)
    yield Variant("no_resampling", configuration(spacing=(1, 1, 1), **NONE), images=one())
    yield Variant("legacy_plans", configurations={"3d_fullres": legacy(configuration(spacing=(1.2, 1, 1)))}, images=one(),
                  config=configuration())
    yield Variant("inherited", configurations={
        "3d_base": configuration(), "3d_fullres": {"inherits_from": "3d_base", "spacing": [1.3, 1.1, 1.0]}}, images=one())
    yield Variant("ignore_label", dataset={"labels": {"background": 0, "a": 1, "b": 2, "ignore": 3}}, images=one())
    yield Variant("regions", dataset={"labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 3},
                                      "regions_class_order": [2, 1, 3]}, images=one(spacing=(1.2, 1, 0.9)))
    yield Variant("regions_ignore", dataset={
        "labels": {"background": 0, "z": [2], "a": [1, 2], "m": [1, 3], "ignore": 4}, "regions_class_order": [3, 1, 2]},
        images=one((16, 17, 18), seed=14))
    yield Variant("sizes", configuration(masks=[True]), images=sizes)
    small = configuration(patch=(8, 8, 8))
    for count in (255, 256, 257):
        yield Variant(f"classes_{count}", small, labels=count, images=one((9, 10, 12)))
    yield Variant("folds", images=one((16, 17, 16)), folds=2, mirror=(0, 1, 2), weights="mirrored3d")
    yield Variant("mirror_off", images=one((16, 17, 16)), mirror=(0, 1, 2), mirroring=False, weights="mirrored3d")
    yield Variant("mirror_01", images=one((16, 17, 16)), mirror=(0, 1), weights="mirrored01")
    yield Variant("mirror_planar", configuration(patch=(16, 16), spacing=(1, 1)), images=one((3, 24, 21)), mirror=(0, 1),
                  weights="mirrored2d", **plane)
    yield Variant("step_small", images=one((16, 20, 19)), step=0.25)
    yield Variant("step_whole", images=one((16, 20, 35)), step=1.0)
    yield Variant("batch_norm", images=one(), trainer="nnUNetTrainerBN", weights="batchnorm3d")
    yield Variant("residual", configuration(net=architecture(kind="residual")), images=one(), weights="residual3d")
    yield Variant("bottleneck", configuration(net=architecture(kind="bottleneck", features=(4, 8))), images=one(), weights="bottleneck3d")
    yield Variant("aniso_kernels", configuration(patch=(8, 16, 16), net=architecture(
        features=(2, 4, 8), kernels=[[1, 3, 3], [3, 3, 3], [3, 3, 3]], strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2]])),
        images=one(), weights="anisokernels")
    yield Variant("prefixed_compiled", images=one(), write_as="_orig_mod.")
    yield Variant("prefixed_parallel", images=one(), write_as="module.")
    yield Variant("legacy_container", images=one(), zipped=False, weights="legacycontainer")
    yield Variant("cascade", configurations=cascade(None), use="3d_cascade_fullres", previous="3d_lowres", weights="cascade",
                  images=one((20, 18, 22), border=(3, 2, 2)))
    yield Variant("cascade_torch", configurations=cascade(None, **TORCH), use="3d_cascade_fullres", previous="3d_lowres",
                  weights="cascade", images=one((19, 18, 17), (1.2, 0.9, 1.1)))
    yield Variant("cascade_transposed", configurations=cascade(None), use="3d_cascade_fullres", previous="3d_lowres",
                  weights="cascade", transpose=(2, 0, 1), images=one((18, 21, 20), (1.1, 0.9, 1.2)))
    yield Variant("cascade_regions", configurations=cascade(None), use="3d_cascade_fullres", previous="3d_lowres",
                  weights="cascaderegions", images=one((18, 17, 20)), dataset={
                      "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, "regions_class_order": [1, 2]})
    yield Variant("cascade_separate_z", configurations=cascade(None), use="3d_cascade_fullres", previous="3d_lowres",
                  weights="cascade", images=one((7, 22, 20), (4.0, 1.0, 0.9)))
    yield Variant("gap_in_labels", dataset={"labels": {"background": 0, "b": 4, "a": 2}}, images=one((15, 16, 17)))
    linear = dict(resampling_fn_data_kwargs=spline(1, order_z=1), resampling_fn_probabilities_kwargs=spline(1, order_z=1))
    yield Variant("linear_across", configuration(**(aniso | linear)), images=thick)
    yield Variant("cubic_across", configuration(**aniso, resampling_fn_data_kwargs=spline(3, order_z=3)), images=thick)
    yield Variant("nearest_data", configuration(spacing=(1.2, 1.3, 0.8), resampling_fn_data_kwargs=spline(0),
                                                resampling_fn_probabilities_kwargs=spline(0)), images=one((15, 16, 17)))
    yield Variant("two_coarse_axes", configuration(spacing=(3.5, 3.5, 1), patch=(8, 8, 16)), images=one((8, 9, 24), (4, 4, 1)))
    yield Variant("ratio_of_three", configuration(spacing=(1, 1, 1)), images=one((16, 17, 9), (0.7, 0.7, 2.1)))
    yield Variant("regions_torch", configuration(spacing=(1.3, 0.9, 1.1), **TORCH), images=one((16, 17, 18)), dataset={
        "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 3}, "regions_class_order": [1, 2, 3]})
    yield Variant("scaled_nifti", images=scaled)
    yield Variant("float_ct", configuration(schemes=["CTNormalization"]), images=one(dtype=np.float32))


def scaled(folder):
    image = nibabel.Nifti1Image(smooth((20, 18, 17), 15, 0, 100).astype(np.int16), np.diag([1, 1.1, 1.2, 1]))
    image.header.set_slope_inter(2.5, -30)
    nibabel.save(image, folder / "a_0000.nii.gz")


for variant in all_variants():
    if WANTED and variant.name not in WANTED: continue
    try:
        variant.make()
    except Exception as error:
        import traceback
        traceback.print_exc()
        print(f"FAILED {variant.name}: {type(error).__name__}: {error}")

(OUT / "weights").mkdir(exist_ok=True)
for path in sorted(WEIGHTS.glob("*.pth")):
    # Most of a small checkpoint is names and padding.
    (OUT / "weights" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
