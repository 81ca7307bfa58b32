import Basics
import Imaging
import TestSupport

@testable import NNUNet
@testable import Training

/// A training small enough for tests: a two-stage network, patches of a few voxels, blobs to be found.
enum TinyTask {
  /// - Parameter planar: a two-dimensional network.
  static func task(
    trainer: String = "nnUNetTrainer", labels: String = #"{"background": 0, "a": 1, "b": 2}"#, planar: Bool = false,
    stages: Int = 3, extra: String = ""
  ) throws -> TrainingTask {
    return try TrainingTask(
      plans: Plans(json: JSON(parsing: Array(plans(planar: planar, stages: stages, extra: extra).utf8))),
      dataset: DatasetDescription(json: JSON(parsing: Array(dataset(labels).utf8))),
      configuration: "tiny", variant: .named(trainer))
  }

  static func dataset(_ labels: String = #"{"background": 0, "a": 1, "b": 2}"#) -> String {
    """
    {"channel_names": {"0": "MR"}, "labels": \(labels), "numTraining": 6, "file_ending": ".nii.gz"}
    """
  }

  /// - Parameters:
  ///   - extra: more keys of the configuration "tiny".
  ///   - more: more configurations.
  static func plans(planar: Bool = false, stages: Int = 3, extra: String = "", more: String = "") -> String {
    let (d, patch) = planar ? ("2", "[16, 12]") : ("3", "[8, 16, 12]")
    let ones = planar ? "[1, 1]" : "[1, 1, 1]"
    let twos = planar ? "[2, 2]" : "[2, 2, 2]"
    let kernel = planar ? "[3, 3]" : "[3, 3, 3]"
    let features = (0..<stages).map { "\(4 << $0)" }.joined(separator: ", ")
    let kernels = (0..<stages).map { _ in kernel }.joined(separator: ", ")
    let strides = ([ones] + (1..<stages).map { _ in twos }).joined(separator: ", ")
    let counts = (0..<stages).map { _ in "1" }
    return """
      {"dataset_name": "Dataset001_Tiny", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
       "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
       "configurations": {"tiny": {
         "data_identifier": "nnUNetPlans_tiny", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
         "patch_size": \(patch), "spacing": \(ones), "normalization_schemes": ["ZScoreNormalization"],
         "use_mask_for_norm": [false], "batch_dice": false \(extra), "architecture": {
           "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
           "arch_kwargs": {"n_stages": \(stages), "features_per_stage": [\(features)],
             "conv_op": "torch.nn.modules.conv.Conv\(d)d", "kernel_sizes": [\(kernels)], "strides": [\(strides)],
             "n_conv_per_stage": [\(counts.joined(separator: ", "))],
             "n_conv_per_stage_decoder": [\(counts.dropFirst().joined(separator: ", "))],
             "conv_bias": true, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm\(d)d",
             "norm_op_kwargs": {"eps": 1e-05, "affine": true}, "dropout_op": null, "dropout_op_kwargs": null,
             "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}},
           "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]}} \(more)}}
      """
  }

  /// Noisy images with a bright and a dark box.
  static func cases(_ count: Int, shape: Shape3D = Shape3D(14, 22, 19)) -> [MemoryCase] {
    (0..<count).map { number in
      var generator = SeededGenerator(seed: UInt64(number))
      var image = Volume<Float>(shape: shape, repeating: 0)
      var marks = Volume<Int16>(shape: shape, repeating: 0)
      for label in 1...2 {
        let corner = (0..<3).map { Int.random(in: 0..<shape[$0] / 2, using: &generator) }
        for z in corner[0]..<corner[0] + shape.z / 3 {
          for y in corner[1]..<corner[1] + shape.y / 3 {
            for x in corner[2]..<corner[2] + shape.x / 3 { marks[z, y, x] = Int16(label) }
          }
        }
      }
      for index in image.elements.indices {
        let brightness: [Float] = [0, 2, -2]
        image.elements[index] =
          brightness[Int(marks.elements[index])] + Float.random(in: -0.5...0.5, using: &generator)
      }
      let unit = Vector3D(1, 1, 1)
      let record = PreparationRecord(
        originalShape: shape, originalSpacing: unit, geometry: .natural2D, shapeBeforeCropping: shape,
        cropBox: Box3D(shape), spacing: unit, networkSpacing: unit, networkShape: shape)
      return MemoryCase("case_\(number)", image: image, marks: marks, record: record)
    }
  }
}
