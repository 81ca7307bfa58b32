import Basics
import Imaging
import Networks

/// The document beside a network from elsewhere: the JSON or INI of FastnnUNet's inference, or the JSON of an export of
/// ours. Whatever it does not say is as nnU-Net does it by default.
///
/// JSON: `patch_size`, `target_spacing` (Z, Y, X), `intensity_properties` (`mean`, `std`, `percentile_00_5`,
/// `percentile_99_5`), `model_path`; and if wanted `normalization_schemes`, `labels`, `num_class`, `channel_names`,
/// `mirroring_axes` or `use_mirroring`, `step_size`, `transpose_forward`, `file_ending`.
/// INI: sections `model`, `input`, `preprocessing` and `inference`.
struct ModelDescription {
  var json: JSON

  static func read(_ path: String) throws -> ModelDescription {
    try locating(path) {
      if path.hasSuffix(".ini") { return ModelDescription(json: try SettingsFile.read(path).description()) }
      let json = try JSON.read(path)
      guard json.object != nil else { throw Failure(.badInput, "is no description of a network: not a JSON object") }
      return ModelDescription(json: json)
    }
  }

  /// The file that the document says it is of.
  var modelName: String? { json["model_path"]?.string.map { Path.split($0).name } }

  /// The model that the document and the file together describe. Which file the document names makes no difference here:
  /// it was chosen by the user or by its own name, which both survive renaming, or because it names this one.
  func model(_ file: any NetworkFile, _ input: NetworkPort, _ output: NetworkPort) throws -> TrainedModel {
    // Outputs of OpenVINO's files have names of their own, and no program asks for them.
    for (key, port) in [("input_name", input), ("output_name", output)] where file is ONNXFile {
      guard let wanted = json[key]?.string, wanted != port.name else { continue }
      throw Failure(.badInput, "calls the network's \(key.dropLast(5)) \"\(wanted)\"; it is called \"\(port.name)\"")
    }
    guard json["orientation"]?.isNull ?? true else {
      throw Failure(
        .badInput, "asks for the orientation \(json["orientation"]?.string ?? ""), which is not supported",
        hint: "networks are given images as their files hold them")
    }
    let rank = input.shape.count - 2
    let axes = json["mirroring_axes"]?.ints ?? (json["use_mirroring"]?.bool == true ? Array(0..<rank) : [])
    let isWhole = json["plans"]?.object != nil && json["dataset"]?.object != nil
    var model = try ExportedModel.model(
      file, input, output, plans: Plans(json: isWhole ? json["plans"] ?? .null : plans(channels: channels(input))),
      configuration: isWhole ? json["configuration"]?.string ?? "" : Self.configuration,
      dataset: DatasetDescription(
        json: isWhole ? json["dataset"] ?? .null : dataset(channels: channels(input), output)),
      trainer: json["trainer"]?.string ?? (file as? ONNXFile)?.producer ?? "unknown",
      folds: json["folds"]?.strings ?? ["all"], mirrorAxes: axes)
    if let count = json["num_class"]?.int, count != model.dataset.labels.outputCount {
      throw Failure(
        .badInput, "\"num_class\" is \(count), but there are \(model.dataset.labels.outputCount) labels and background")
    }
    model.usesGaussian = json["use_gaussian"]?.bool ?? true
    if let step = json["step_size"]?.double {
      guard step >= 0.001, step <= 1 else {
        throw Failure(.badInput, "\"step_size\" is \(step), not above 0 and up to 1")
      }
      model.step = step
    }
    return model
  }

  /// The name of the one configuration in plans made here.
  private static let configuration = "exported"

  private func channels(_ input: NetworkPort) -> Int {
    json["channel_names"]?.object?.count ?? json["input_channels"]?.int ?? input.shape[1] ?? 1
  }

  private func plans(channels: Int) throws -> JSON {
    guard (1...1024).contains(channels) else { throw Failure(.badInput, "\(channels) image channels make no sense") }
    let properties = json["intensity_properties"]
    let hasStatistics = ["mean", "std", "percentile_00_5", "percentile_99_5"].allSatisfy {
      properties?[$0]?.double != nil
    }
    guard hasStatistics || json["normalization_schemes"]?.strings != nil else {
      throw Failure(
        .badInput, "\"intensity_properties\" lacks mean, std, percentile_00_5 or percentile_99_5",
        hint: "or say with \"normalization_schemes\" how channels are normalised, such as [\"ZScoreNormalization\"]")
    }
    let table =
      json["intensity_properties_per_channel"]
      ?? .object(
        JSONObject((0..<channels).map { ("\($0)", hasStatistics ? properties ?? .null : .null) }))
    for entry in (table.object?.members.map(\.value) ?? []) + [properties].compactMap(\.self) {
      if let flaw = Self.intensities(entry)?.flaw { throw Failure(.badInput, flaw) }
    }
    let schemes = json["normalization_schemes"] ?? .array((0..<channels).map { _ in .string("CTNormalization") })
    if let count = schemes.array?.count, count != channels {
      throw Failure(
        .badInput, "\"normalization_schemes\" has \(count) entries for \(channels) image channel(s)",
        hint: "give one scheme for each channel")
    }
    var configuration: JSONObject = [
      "patch_size": json["patch_size"] ?? .null, "spacing": json["target_spacing"] ?? .null,
      "normalization_schemes": schemes,
      "use_mask_for_norm": json["use_mask_for_norm"] ?? .array((0..<channels).map { _ in .bool(false) }),
    ]
    for key in ["resampling_fn_data", "resampling_fn_seg", "resampling_fn_probabilities"] {
      for key in [key, key + "_kwargs"] { configuration[key] = json[key] }
    }
    let identity = JSON.array([.int(0), .int(1), .int(2)])
    return .object([
      "dataset_name": .string(modelName ?? "exported"), "plans_name": .string("exported"),
      "transpose_forward": json["transpose_forward"] ?? identity,
      "transpose_backward": json["transpose_backward"] ?? identity,
      "foreground_intensity_properties_per_channel": table,
      "configurations": .object([Self.configuration: .object(configuration)]),
    ])
  }

  private static func intensities(_ json: JSON) -> IntensityProperties? {
    guard let mean = json["mean"]?.double, let std = json["std"]?.double, let low = json["percentile_00_5"]?.double,
      let high = json["percentile_99_5"]?.double
    else { return nil }
    return IntensityProperties(
      mean: Float(mean), standardDeviation: Float(std), lowPercentile: Float(low), highPercentile: Float(high))
  }

  /// Names and numbers of classes, where the document gives them: as nnU-Net does, or as a list of the names of class 0,
  /// 1, ...
  private func labels() throws -> JSON? {
    guard let given = json["labels"], !given.isNull, given.object == nil else {
      return json["labels"].flatMap { $0.isNull ? nil : $0 }
    }
    guard let names = given.strings, Set(names).count == names.count else {
      throw Failure(
        .badInput, "\"labels\" is neither an object of names and numbers nor a list of different names",
        hint: "such as {\"background\": 0, \"liver\": 1}")
    }
    guard names.first == "background" else {
      throw Failure(.badInput, "the list \"labels\" does not begin with \"background\", the name of class 0")
    }
    return .object(JSONObject(names.enumerated().map { ($1, JSON.int($0)) }))
  }

  private func dataset(channels: Int, _ output: NetworkPort) throws -> JSON {
    let names = JSONObject((0..<channels).map { ("\($0)", JSON.string("channel \($0)")) })
    var labels = try labels()
    if labels == nil {
      guard let count = json["num_class"]?.int ?? (output.shape.count > 1 ? output.shape[1] : nil),
        (2...65_535).contains(count)
      else {
        throw Failure(
          .badInput, "neither the document nor the network says how many classes there are", hint: "add \"num_class\"")
      }
      labels = .object(JSONObject((0..<count).map { ($0 == 0 ? "background" : "class_\($0)", JSON.int($0)) }))
    }
    var dataset: JSONObject = [
      "channel_names": json["channel_names"] ?? .object(names), "labels": labels ?? .null,
      "file_ending": json["file_ending"] ?? .string(".nii.gz"),
    ]
    dataset["regions_class_order"] = json["regions_class_order"]
    return .object(dataset)
  }
}
