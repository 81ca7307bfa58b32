import Basics
import Imaging
import Networks

/// What an exported network carries with it, so that its file alone is enough to segment an image.
///
/// Inside an ONNX file these are `metadata_props`: lists and documents as JSON. The first seven are read back, the rest is
/// for other programs and for people.
struct ExportRecord {
  let model: TrainedModel
  /// What the network's values are: "fp32", "fp16", "int8".
  var precision: String

  /// Marks files of ours; the value is the version of this record.
  static let mark = "microtome"

  var metadata: [(key: String, value: String)] {
    let configuration = model.configuration
    return [
      (Self.mark, "1"), ("plans", model.plans.json.text()), ("dataset", model.dataset.json.text()),
      ("configuration", configuration.name), ("trainer", model.trainerName),
      ("folds", JSON.array(model.folds.map(JSON.string)).text()), ("mirror_axes", Self.list(model.mirrorAxes).text()),
      ("patch_size", Self.list(configuration.patchSize).text()),
      ("target_spacing", JSON.array(configuration.spacing.map(JSON.double)).text()),
      ("transpose_forward", Self.list(model.plans.transposeForward).text()),
      ("transpose_backward", Self.list(model.plans.transposeBackward).text()),
      ("normalization_schemes", (configuration.json["normalization_schemes"] ?? .null).text()),
      ("labels", (model.dataset.json["labels"] ?? .null).text()), ("precision", precision),
    ]
  }

  /// The document beside the file: the fields of FastnnUNet's inference configurations, and everything else that a program
  /// must know to prepare an image and to make sense of the answer.
  ///
  /// - Parameters:
  ///   - file: the name of the exported file.
  ///   - sha256: its fingerprint.
  ///   - more: what else there is to say.
  func document(file: String, sha256: String, more: [(String, JSON)]) -> JSON {
    let configuration = model.configuration
    let plans = model.plans
    var document: JSONObject = [
      "patch_size": Self.list(configuration.patchSize),
      "target_spacing": .array(configuration.spacing.map(JSON.double)),
    ]
    if let first = plans.intensities[0] { document["intensity_properties"] = Self.properties(first) }
    document["model_path"] = .string(file)
    document["sha256"] = .string(sha256)
    document["input_name"] = .string("input")
    document["output_name"] = .string("output")
    document["input_channels"] = .int(model.inputChannelCount)
    document["num_class"] = .int(model.dataset.labels.outputCount)
    document["labels"] = model.dataset.json["labels"] ?? .null
    document["precision"] = .string(precision)
    // Images are taken as their files hold them, axes (Z, Y, X); they are not turned to a common orientation.
    document["orientation"] = .null
    document["transpose_forward"] = Self.list(plans.transposeForward)
    document["transpose_backward"] = Self.list(plans.transposeBackward)
    for key in ["normalization_schemes", "use_mask_for_norm"] { document[key] = configuration.json[key] ?? .null }
    document["intensity_properties_per_channel"] = .object(
      JSONObject(
        plans.intensities.sorted { $0.key < $1.key }.map { ("\($0.key)", Self.properties($0.value)) }))
    for key in ["resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities"] {
      document[key] = configuration.json[key] ?? .null
      document[key + "_kwargs"] = configuration.json[key + "_kwargs"] ?? .null
    }
    document["mirroring_axes"] = Self.list(model.mirrorAxes)
    document["use_mirroring"] = .bool(!model.mirrorAxes.isEmpty)
    document["step_size"] = .double(0.5)
    document["use_gaussian"] = .bool(model.usesGaussian)
    document["folds"] = .array(model.folds.map(JSON.string))
    document["trainer"] = .string(model.trainerName)
    for (key, value) in more { document[key] = value }
    document["configuration"] = .string(configuration.name)
    document["dataset"] = model.dataset.json
    document["plans"] = plans.json
    return .object(document)
  }

  private static func list(_ values: [Int]) -> JSON { .array(values.map(JSON.int)) }

  private static func properties(_ values: IntensityProperties) -> JSON {
    .object([
      "mean": .double(Double(values.mean)), "std": .double(Double(values.standardDeviation)),
      "percentile_00_5": .double(Double(values.lowPercentile)),
      "percentile_99_5": .double(Double(values.highPercentile)),
    ])
  }
}
