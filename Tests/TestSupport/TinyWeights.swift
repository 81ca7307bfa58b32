import Basics
import Imaging
import TotalSegmentator

/// Weights of a few thousand numbers for every network of a catalogue, in folders as TotalSegmentator has them.
///
/// The networks are untrained, but none of their answers is empty: each class has a point in the space of the last
/// features and a voxel goes to the nearest, so that all classes occur in an image with enough voxels. Classes that
/// other tasks look for in a rough segmentation have a larger share.
public struct TinyWeights {
  private let catalogue: TaskCatalogue
  private let folder: String

  public init(catalogue: TaskCatalogue, folder: String) {
    (self.catalogue, self.folder) = (catalogue, folder)
  }

  /// Writes all networks, or those of some datasets. What is there is kept.
  public func write(datasets: Set<Int>? = nil) throws {
    for task in catalogue.tasks {
      for (_, variant) in task.variants {
        for part in variant.parts where datasets?.contains(part.dataset) ?? true {
          for plans in [part.plans, part.smallPlans].compactMap(\.self) {
            let model = "\(part.trainer)__\(plans)__\(part.configuration)"
            let path = Path.join(Path.join(folder, try catalogue.dataset(part.dataset).folder), model)
            guard !Path.exists(path) else { continue }
            try write(part, plans: plans, variant, modality: task.modality, to: path)
          }
        }
      }
    }
  }

  /// The labels that a rough segmentation by this dataset is made for.
  private func favourites(of dataset: Int) -> Set<Int> {
    var found = Set<Int>()
    for task in catalogue.tasks {
      guard let crop = task.crop, let rough = catalogue.tasks.first(where: { $0.name == crop.model.task }) else {
        continue
      }
      for choice in [crop.model.variant, crop.model.robust] {
        for part in rough.variant(choice).parts where part.dataset == dataset {
          let ids = crop.rois.compactMap(rough.label).map { $0 - part.labelOffset }
          found.formUnion(ids.filter { (1...part.classCount).contains($0) })
        }
      }
    }
    return found
  }

  private func write(
    _ part: TaskPart, plans: String, _ variant: TaskVariant, modality: SegmentationTask.Modality, to path: String
  ) throws {
    let spacing = Self.spacing(of: part, variant)
    try Path.makeFolder(path)
    let text = Self.plans(part, plans: plans, spacing: spacing, modality: modality)
    try AtomicFile.write(Array(text.utf8), to: Path.join(path, "plans.json"))
    let labels = (0...part.classCount).map { "\"\($0 == 0 ? "background" : "class\($0)")\": \($0)" }
    let dataset = """
      {"channel_names": {"0": "\(modality.rawValue)"}, "labels": {\(labels.joined(separator: ", "))},
       "numTraining": 1, "file_ending": ".nii.gz"}
      """
    try AtomicFile.write(Array(dataset.utf8), to: Path.join(path, "dataset.json"))
    let favourites = favourites(of: part.dataset)
    for fold in part.folds ?? [0, 1, 2, 3, 4] {
      var network = TinyNetwork(seed: UInt64(part.dataset * 10 + fold), classes: part.classCount + 1)
      network.favourites = favourites
      try Path.makeFolder(Path.join(path, "fold_\(fold)"))
      try network.checkpoint().write(
        to: Path.join(path, "fold_\(fold)/checkpoint_final.pth"), configuration: part.configuration)
    }
  }

  /// That of the task, but for networks known to resample what they get.
  private static func spacing(of part: TaskPart, _ variant: TaskVariant) -> Vector3D {
    if part.dataset == 913 { return Vector3D(1, 0.742, 0.742) }
    return variant.spacing ?? Vector3D(1.25, 0.9, 0.9)
  }

  private static func plans(
    _ part: TaskPart, plans: String, spacing: Vector3D, modality: SegmentationTask.Modality
  ) -> String {
    let isFine = min(spacing.z, spacing.y, spacing.x) < 1
    func resampling(_ order: Int, _ isSegmentation: Bool) -> String {
      "{\"is_seg\": \(isSegmentation), \"order\": \(order), \"order_z\": 0, \"force_separate_z\": null}"
    }
    return """
      {"dataset_name": "Dataset\(part.dataset)", "plans_name": "\(plans)",
       "original_median_spacing_after_transp": [1, 1, 1], "original_median_shape_after_transp": [100, 100, 100],
       "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
       "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
       "foreground_intensity_properties_per_channel": {"0": {"max": 3000, "mean": 40, "median": 30, "min": -1024,
         "percentile_00_5": -1000, "percentile_99_5": 1000, "std": 300}},
       "configurations": {"\(part.configuration)": {
         "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
         "patch_size": \(isFine ? "[40, 48, 44]" : "[20, 24, 16]"),
         "median_image_size_in_voxels": [100, 100, 100], "spacing": [\(spacing.z), \(spacing.y), \(spacing.x)],
         "normalization_schemes": ["\(modality == .ct ? "CTNormalization" : "ZScoreNormalization")"],
         "use_mask_for_norm": [false],
         "resampling_fn_data": "resample_data_or_seg_to_shape",
         "resampling_fn_seg": "resample_data_or_seg_to_shape",
         "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
         "resampling_fn_data_kwargs": \(resampling(3, false)), "resampling_fn_seg_kwargs": \(resampling(1, true)),
         "resampling_fn_probabilities_kwargs": \(resampling(1, false)),
         "architecture": \(TinyNetwork.architecture), "batch_dice": false}}}
      """
  }
}

/// A U-Net of two stages.
public struct TinyNetwork {
  var seed: UInt64
  /// Background included.
  var classes: Int
  /// Labels that are to be found in many voxels.
  public var favourites: Set<Int> = []
  /// By how much their logits are raised.
  public var favour: Float = 2

  public init(seed: UInt64, classes: Int) { (self.seed, self.classes) = (seed, classes) }

  static let features = (fine: 6, coarse: 8)

  static let architecture = """
    {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
     "arch_kwargs": {"n_stages": 2, "features_per_stage": [\(features.fine), \(features.coarse)],
       "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
       "strides": [[1, 1, 1], [2, 2, 2]], "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1],
       "conv_bias": true, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
       "norm_op_kwargs": {"eps": 1e-05, "affine": true}, "dropout_op": null, "dropout_op_kwargs": null,
       "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}},
     "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}
    """

  public func checkpoint() -> TorchWriter {
    var generator = SeededGenerator(seed: seed)
    var writer = TorchWriter()
    let (fine, coarse) = Self.features
    func block(_ name: String, _ inputs: Int, _ outputs: Int) {
      let count = outputs * inputs * 27
      writer.weights += [
        (name + ".conv.weight", [outputs, inputs, 3, 3, 3], (0..<count).map { _ in generator.normal() }),
        (name + ".conv.bias", [outputs], [Float](repeating: 0, count: outputs)),
        (name + ".norm.weight", [outputs], [Float](repeating: 1, count: outputs)),
        (name + ".norm.bias", [outputs], (0..<outputs).map { _ in 0.3 * generator.normal() }),
      ]
      for (module, layer) in ["conv", "norm"].enumerated() {
        for kind in ["weight", "bias"] {
          writer.aliases.append(("\(name).all_modules.\(module).\(kind)", "\(name).\(layer).\(kind)"))
        }
      }
    }
    block("encoder.stages.0.0.convs.0", 1, fine)
    block("encoder.stages.1.0.convs.0", fine, coarse)
    let encoder = writer.weights.map { ("decoder." + $0.name, $0.name) } + writer.aliases.map { ("decoder." + $0, $1) }
    writer.aliases += encoder.map { (name: $0, original: $1) }
    block("decoder.stages.0.convs.0", 2 * fine, fine)
    let up = (0..<coarse * fine * 8).map { _ in generator.normal() }
    writer.weights.append(("decoder.transpconvs.0.weight", [coarse, fine, 2, 2, 2], up))
    writer.weights.append(("decoder.transpconvs.0.bias", [fine], [Float](repeating: 0, count: fine)))

    // The nearest point has the largest 2 p·f - |p|².
    var (weights, biases): ([Float], [Float]) = ([], [])
    for label in 0..<classes {
      let point = (0..<fine).map { _ in
        let value = generator.normal()
        return value > 0 ? value : 0.01 * value
      }
      weights += point.map { 2 * $0 }
      biases.append(-point.reduce(0) { $0 + $1 * $1 } + (favourites.contains(label) ? favour : label == 0 ? 1 : 0))
    }
    writer.weights.append(("decoder.seg_layers.0.weight", [classes, fine, 1, 1, 1], weights))
    writer.weights.append(("decoder.seg_layers.0.bias", [classes], biases))
    return writer
  }
}

extension SeededGenerator {
  /// About normally distributed: the sum of twelve uniform numbers.
  mutating func normal() -> Float {
    (0..<12).reduce(-6) { sum, _ in sum + Float(next() >> 40) / Float(1 << 24) }
  }
}
