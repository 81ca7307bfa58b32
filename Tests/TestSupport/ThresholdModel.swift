import Basics

/// A model whose answers are known: intensities above thresholds, seen at each voxel or at its neighbour along X.
///
/// A voxel gets the label of the highest threshold that it exceeds, where thresholds are in standard deviations from the mean
/// of the patch. So an image should be as large as the patch, with intensities far from all thresholds and none of them 0.
public struct ThresholdModel {
  /// (Z, Y, X), each even.
  public var patch: [Int]
  /// (Z, Y, X), in mm.
  public var spacing: [Double]
  /// Ascending; the first one is for label 1.
  public var thresholds: [Float]
  /// A voxel's answer is about the next voxel along X; behind the last one is a zero.
  public var looksAhead = false
  public var reader = "SimpleITKIO"

  public init(patch: [Int], spacing: [Double], thresholds: [Float]) {
    (self.patch, self.spacing, self.thresholds) = (patch, spacing, thresholds)
  }

  /// Writes nnU-Net's folder for it, with fold 0. Labels are called level1, level2, ...
  public func write(to folder: String) throws {
    let resampling = """
      {"is_seg": false, "order": 1, "order_z": 0, "force_separate_z": null}
      """
    let plans = """
      {"dataset_name": "Dataset777_Threshold", "plans_name": "nnUNetPlans",
       "original_median_spacing_after_transp": \(spacing), "original_median_shape_after_transp": \(patch),
       "image_reader_writer": "\(reader)", "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
       "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
       "foreground_intensity_properties_per_channel": {"0": {"mean": 0, "percentile_00_5": -1e9,
         "percentile_99_5": 1e9, "std": 1}},
       "configurations": {"3d_fullres": {
         "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
         "patch_size": \(patch), "median_image_size_in_voxels": \(patch), "spacing": \(spacing),
         "normalization_schemes": ["NoNormalization"], "use_mask_for_norm": [false],
         "resampling_fn_data": "resample_data_or_seg_to_shape",
         "resampling_fn_seg": "resample_data_or_seg_to_shape",
         "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
         "resampling_fn_data_kwargs": \(resampling), "resampling_fn_seg_kwargs": \(resampling),
         "resampling_fn_probabilities_kwargs": \(resampling),
         "architecture": \(TinyNetwork.architecture), "batch_dice": false}}}
      """
    let labels = thresholds.indices.map { "\"level\($0 + 1)\": \($0 + 1)" }.joined(separator: ", ")
    let dataset = """
      {"channel_names": {"0": "CT"}, "labels": {"background": 0, \(labels)}, "numTraining": 1, "file_ending": ".nii.gz"}
      """
    try Path.makeFolder(Path.join(folder, "fold_0"))
    try AtomicFile.write(Array(plans.utf8), to: Path.join(folder, "plans.json"))
    try AtomicFile.write(Array(dataset.utf8), to: Path.join(folder, "dataset.json"))
    try checkpoint.write(to: Path.join(folder, "fold_0/checkpoint_final.pth"), configuration: "3d_fullres")
  }

  /// The image goes through one channel of the finer stage, which its normalisations centre on 0.
  private var checkpoint: TorchWriter {
    var writer = TorchWriter()
    let (fine, coarse) = TinyNetwork.features
    func zeros(_ count: Int) -> [Float] { [Float](repeating: 0, count: count) }
    func block(_ name: String, _ inputs: Int, _ outputs: Int, tap: Int?, bias: Float) {
      var kernel = zeros(outputs * inputs * 27)
      if let tap { kernel[tap] = 1 }
      writer.weights += [
        (name + ".conv.weight", [outputs, inputs, 3, 3, 3], kernel), (name + ".conv.bias", [outputs], zeros(outputs)),
        (name + ".norm.weight", [outputs], [Float](repeating: 1, count: outputs)),
        (name + ".norm.bias", [outputs], [bias] + zeros(outputs - 1)),
      ]
    }
    // The bias keeps all values above 0, where the activation changes nothing.
    block("encoder.stages.0.0.convs.0", 1, fine, tap: looksAhead ? 14 : 13, bias: 50)
    block("encoder.stages.1.0.convs.0", fine, coarse, tap: nil, bias: 0)
    // Behind the channels from below come those of the finer stage.
    block("decoder.stages.0.convs.0", 2 * fine, fine, tap: fine * 27 + 13, bias: 50)
    writer.weights.append(("decoder.transpconvs.0.weight", [coarse, fine, 2, 2, 2], zeros(coarse * fine * 8)))
    writer.weights.append(("decoder.transpconvs.0.bias", [fine], zeros(fine)))
    // k f minus the first k thresholds is the largest for the k thresholds that f exceeds. The factor is for the rims of
    // patches, whose weights in half precision leave nothing of small logits.
    let factor: Float = 100
    var (weights, biases): ([Float], [Float]) = ([], [])
    for label in 0...thresholds.count {
      weights += [factor * Float(label)] + zeros(fine - 1)
      biases.append(-factor * thresholds.prefix(label).reduce(0) { $0 + $1 + 50 })
    }
    writer.weights.append(("decoder.seg_layers.0.weight", [thresholds.count + 1, fine, 1, 1, 1], weights))
    writer.weights.append(("decoder.seg_layers.0.bias", [thresholds.count + 1], biases))
    return writer
  }
}
