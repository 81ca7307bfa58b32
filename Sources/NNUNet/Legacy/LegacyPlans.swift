import Basics
import Imaging

/// The plans of nnU-Net v1, and what v2 would have written for them.
struct LegacyPlans {
  /// The dictionary, keys as strings.
  let json: JSON
  /// `RESULTS/nnUNet/CONFIGURATION/TASK/TRAINER__PLANS`
  let folder: String
  let trainer: LegacyTrainer
  /// nil when there is one only.
  let stage: Int?

  private var task: String { Path.split(Path.split(folder).folder).name }

  /// By the name of the folder two levels up, or what the stage and the trainer say.
  var configurationName: String {
    let name = Path.split(Path.split(Path.split(folder).folder).folder).name
    if ["2d", "3d_lowres", "3d_fullres", "3d_cascade_fullres"].contains(name) { return name }
    if trainer.name.contains("Cascade") { return "3d_cascade_fullres" }
    return (json["plans_per_stage"]?.object?.count ?? 1) > 1 && stage == 0 ? "3d_lowres" : "3d_fullres"
  }

  private var channelCount: Int? { json["num_modalities"]?.int ?? json["modalities"]?.object?.count }

  func datasetJSON() throws -> JSON {
    guard let count = channelCount, (1...4096).contains(count) else {
      throw Failure(.badInput, "the plans do not say how many modalities there are")
    }
    guard let classes = json["num_classes"]?.int, (1...65534).contains(classes) else {
      throw Failure(.badInput, "the plans do not say how many classes there are")
    }
    var names = JSONObject()
    for channel in 0..<count {
      names[String(channel)] = .string(json["modalities"]?[String(channel)]?.string ?? "channel \(channel)")
    }
    var labels: JSONObject = ["background": .int(0)]
    var document: JSONObject = ["channel_names": .object(names), "file_ending": .string(".nii.gz")]
    if trainer.hasBraTSRegions {
      labels["whole tumor"] = .array([.int(1), .int(2), .int(3)])
      labels["tumor core"] = .array([.int(2), .int(3)])
      labels["enhancing tumor"] = .array([.int(3)])
      document["regions_class_order"] = .array([.int(1), .int(2), .int(3)])
    } else {
      for label in 1...classes { labels["class \(label)"] = .int(label) }
    }
    document["labels"] = .object(labels)
    return .object(document)
  }

  /// The stage of the plans that the model was trained in.
  private func stageJSON() throws -> JSON {
    guard let stages = json["plans_per_stage"]?.object, stages.count > 0 else {
      throw Failure(.badInput, "the plans have no stages")
    }
    guard let stage else {
      guard stages.count == 1 else {
        throw Failure(.badInput, "the checkpoint does not say which stage of its plans was trained")
      }
      return stages.members[0].value
    }
    guard let found = stages[String(stage)] else { throw Failure(.badInput, "the plans have no stage \(stage)") }
    return found
  }

  /// The document of v2, with one configuration. `rank` is the network's number of spatial axes.
  func plansJSON(rank: Int) throws -> JSON {
    let stage = try stageJSON()
    guard let patch = stage["patch_size"]?.ints, patch.count == rank else {
      throw Failure(.badInput, "the plans have no patch size of \(rank) axes")
    }
    guard let spacing = stage["current_spacing"]?.doubles, spacing.count == 3 else {
      throw Failure(.badInput, "the plans have no target spacing of three axes")
    }
    let identity: [JSON] = [.int(0), .int(1), .int(2)]
    let export = json["segmentation_export_params"]
    let preprocessor = json["preprocessor_name"]?.string ?? ""
    func arguments(_ order: Int, _ orderZ: Int, _ force: JSON = .null) -> JSON {
      .object(["order": .int(order), "order_z": .int(orderZ), "force_separate_z": force])
    }
    let isDifferent = preprocessor == "Preprocessor3DDifferentResampling"
    let isBetter = preprocessor == "Preprocessor3DBetterResampling"
    var configuration: JSONObject = [
      "preprocessor_name": .string("DefaultPreprocessor"), "patch_size": .array(patch.map(JSON.int)),
      "spacing": .array(spacing.suffix(rank).map(JSON.double)),
      // What really is done to the intensities is v1's business.
      "normalization_schemes": .array(try normalizations().map { _ in .string("NoNormalization") }),
      "resampling_fn_data_kwargs": arguments(3, isDifferent ? 3 : 0, isBetter ? .bool(false) : .null),
      "resampling_fn_seg_kwargs": arguments(1, 0),
      "resampling_fn_probabilities_kwargs": arguments(
        export?["interpolation_order"]?.int ?? 1, export?["interpolation_order_z"]?.int ?? 0,
        export?["force_separate_z"] ?? .null),
    ]
    if configurationName == "3d_cascade_fullres" { configuration["previous_stage"] = .string("3d_lowres") }
    return .object([
      "dataset_name": .string(task), "plans_name": .string(plansName),
      "image_reader_writer": .string("SimpleITKIO"),
      "transpose_forward": json["transpose_forward"] ?? .array(identity),
      "transpose_backward": json["transpose_backward"] ?? .array(identity),
      "configurations": .object([configurationName: .object(configuration)]),
    ])
  }

  private var plansName: String {
    let parts = Path.split(folder).name.split(separator: "__", omittingEmptySubsequences: false)
    return parts.count > 1 ? String(parts[1]) : "nnUNetPlansv2.1"
  }

  /// How each channel is normalised.
  func normalizations() throws -> [LegacyNormalization] {
    let preprocessor = json["preprocessor_name"]?.string ?? ""
    return try (0..<(channelCount ?? 0)).map { channel in
      let usesMask = json["use_mask_for_norm"]?[String(channel)]?.bool ?? false
      let name = json["normalization_schemes"]?[String(channel)]?.string ?? "nonCT"
      let scheme: LegacyNormalization.Scheme =
        switch (preprocessor, name) {
        case ("PreprocessorFor2D_noNormalization", _): .none
        case ("GenericPreprocessor_scale_uint8_to_0_1", _): .byte
        case (_, "CT"): .ct(try intensities(channel))
        case (_, "CT2"): .ct2(try intensities(channel))
        default: .zScore
        }
      return LegacyNormalization(scheme: scheme, usesMask: usesMask)
    }
  }

  private func intensities(_ channel: Int) throws -> IntensityProperties {
    let known = json["dataset_properties"]?["intensityproperties"]?[String(channel)]
    guard let mean = known?["mean"]?.double, let deviation = known?["sd"]?.double,
      let lower = known?["percentile_00_5"]?.double, let upper = known?["percentile_99_5"]?.double
    else {
      throw Failure(.badInput, "channel \(channel) is normalised as CT, but the plans have no intensities for it")
    }
    return IntensityProperties(
      mean: Float(mean), standardDeviation: Float(deviation), lowPercentile: Float(lower), highPercentile: Float(upper))
  }
}
