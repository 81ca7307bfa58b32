import Basics
import Imaging
import TestSupport
import Testing

/// nnU-Net's three folders with a dataset of made-up scans, and plans of networks so small that the reference engine trains
/// them in seconds.
final class TrainingPlace {
  let folder: TemporaryFolder
  let cases: [String]
  var raw: String { folder("raw/Dataset008_Boxes") }
  var preprocessed: String { folder("preprocessed/Dataset008_Boxes") }
  var results: String { folder("results/Dataset008_Boxes") }

  var environment: [String: String?] {
    [
      "nnUNet_raw": folder("raw"), "nnUNet_preprocessed": folder("preprocessed"), "nnUNet_results": folder("results"),
      "nnUNet_raw_data_base": nil, "nnUNet_n_proc_DA": nil,
    ]
  }

  /// - Parameter prepares: also preprocess for both configurations.
  init(cases count: Int = 6, prepares: Bool = true) throws {
    folder = try TemporaryFolder()
    cases = (0..<count).map { "box\($0)" }
    for part in ["imagesTr", "labelsTr"] { try Path.makeFolder(Path.join(raw, part)) }
    for part in [preprocessed, results] { try Path.makeFolder(part) }
    for (index, name) in cases.enumerated() {
      let (image, labels) = Self.scan(index)
      try AtomicFile.write(image.gzipped, to: "\(raw)/imagesTr/\(name)_0000.nii.gz")
      try AtomicFile.write(labels.gzipped, to: "\(raw)/labelsTr/\(name).nii.gz")
    }
    try write(Self.description(count), to: "\(raw)/dataset.json")
    guard prepares else { return }
    try write(Self.description(count), to: "\(preprocessed)/dataset.json")
    try write(Self.plans(), to: "\(preprocessed)/tinyPlans.json")
    let run = try preprocess()
    try #require(run.status == 0, "\(run.errors)")
  }

  func write(_ text: String, to path: String) throws { try AtomicFile.write(Array(text.utf8), to: path) }

  static func description(_ count: Int) -> String {
    """
    {"channel_names": {"0": "MR"}, "labels": {"background": 0, "bright": 1, "dark": 2}, "numTraining": \(count),
     "file_ending": ".nii.gz"}
    """
  }

  /// Noise with a bright and a dark box.
  static func scan(_ index: Int) -> (image: TestImage, labels: TestImage) {
    let shape = Shape3D(12, 18 + index % 3, 17)
    var generator = SeededGenerator(seed: UInt64(index))
    var image = (0..<shape.count).map { _ in Float.random(in: 1..<2, using: &generator) }
    var labels = [Float](repeating: 0, count: shape.count)
    for (label, brightness) in [(1, Float(3)), (2, -2)] {
      let corner = (0..<3).map { Int.random(in: 0...shape[$0] / 2, using: &generator) }
      for z in corner[0]..<corner[0] + shape.z / 3 {
        for y in corner[1]..<corner[1] + shape.y / 3 {
          for x in corner[2]..<corner[2] + shape.x / 3 {
            let voxel = (z * shape.y + y) * shape.x + x
            labels[voxel] = Float(label)
            image[voxel] += brightness
          }
        }
      }
    }
    return (TestImage(shape: shape, values: image), TestImage(shape: shape, values: labels))
  }

  /// - Parameter features: of the finest stage.
  static func plans(features: Int = 4, spacing: Double = 1) -> String {
    func configuration(_ name: String, _ axes: Int, _ patch: String) -> String {
      func list(_ value: String, _ count: Int) -> String {
        "[\(Array(repeating: value, count: count).joined(separator: ", "))]"
      }
      let (ones, twos) = (list("1", axes), list("2", axes))
      return """
        "\(name)": {"data_identifier": "tinyPlans_\(name)", "preprocessor_name": "DefaultPreprocessor",
          "batch_size": 2, "patch_size": \(patch), "spacing": \(list("\(spacing)", axes)),
          "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false], "batch_dice": false,
          "architecture": {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {"n_stages": 3, "features_per_stage": [\(features), \(2 * features), \(2 * features)],
              "conv_op": "torch.nn.modules.conv.Conv\(axes)d", "kernel_sizes": \(list(list("3", axes), 3)),
              "strides": [\(ones), \(twos), \(twos)], "n_conv_per_stage": [1, 1, 1],
              "n_conv_per_stage_decoder": [1, 1], "conv_bias": true,
              "norm_op": "torch.nn.modules.instancenorm.InstanceNorm\(axes)d",
              "norm_op_kwargs": {"eps": 1e-05, "affine": true}, "dropout_op": null, "dropout_op_kwargs": null,
              "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}}
        """
    }
    return """
      {"dataset_name": "Dataset008_Boxes", "plans_name": "tinyPlans", "image_reader_writer": "SimpleITKIO",
       "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
       "configurations": {\(configuration("2d", 2, "[16, 16]")), \(configuration("3d_fullres", 3, "[8, 16, 16]"))}}
      """
  }

  func run(
    _ arguments: [String], environment extra: [String: String?] = [:], signal: Program.Signal? = nil,
    largestFile: Int? = nil
  ) throws -> ProgramRun {
    try Program.run(
      arguments, environment: environment.merging(extra, uniquingKeysWith: { $1 }), signal: signal,
      largestFile: largestFile, limit: 200)
  }

  func preprocess(signal: Program.Signal? = nil, largestFile: Int? = nil) throws -> ProgramRun {
    try run(
      ["preprocess", "-d", "8", "-plans_name", "tinyPlans", "-c", "2d", "3d_fullres"], signal: signal,
      largestFile: largestFile)
  }

  /// `microtome train` in few small steps; `options` may say everything again.
  func train(
    _ options: [String] = [], configuration: String = "3d_fullres", fold: String = "0", engine: String = "reference",
    environment: [String: String?] = [:], signal: Program.Signal? = nil, largestFile: Int? = nil
  ) throws -> ProgramRun {
    let common = [
      "train", "8", configuration, fold, "-p", "tinyPlans", "-tr", "nnUNetTrainerNoMirroring", "--iterations-per-epoch",
      "3", "--validation-iterations", "1", "--save-every", "1", "--seed", "5", "--engine", engine,
      "--validation-engine", "reference",
    ]
    return try run(common + options, environment: environment, signal: signal, largestFile: largestFile)
  }

  /// A path below `fold_0` of the model.
  func fold0(_ path: String, of configuration: String = "3d_fullres") -> String {
    "\(results)/nnUNetTrainerNoMirroring__tinyPlans__\(configuration)/fold_0/\(path)"
  }

  /// Everything in a folder, hidden files included.
  func names(_ folder: String) -> [String] { (try? Path.list(folder)) ?? [] }
}
