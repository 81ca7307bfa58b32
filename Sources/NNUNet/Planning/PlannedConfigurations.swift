import Basics

/// The `configurations` of plans: 2d, 3d_fullres, and a cascade where a patch sees too little of the image.
struct PlannedConfigurations {
  /// Below this share of the median image a patch of 3d_fullres sees too little.
  private static let smallestShare = 0.25
  /// By how much the spacing of 3d_lowres grows at a time.
  private static let growth = 1.03
  /// 3d_lowres is worth its while only with this many times fewer voxels.
  private static let smallestReduction = 2.0

  /// By name, in nnU-Net's order.
  let all: JSONObject

  /// - Parameters:
  ///   - spacing: the target spacing in mm, and `median` the median size at it, both in the network's frame.
  init(
    planner: ExperimentPlanner, spacing: [Double], median: [Double], trainingCases: Int, heads: Int
  ) throws {
    let cases = Double(trainingCases)
    let voxels = median.reduce(1, *) * cases
    func network(_ spacing: [Double], _ median: [Double], _ voxels: Double) throws -> NetworkPlan {
      try NetworkPlan(
        spacing: spacing, median: median, datasetVoxels: voxels, heads: heads, preset: planner.preset,
        memory: planner.options.memoryTarget)
    }
    let flat = try network(Array(spacing.dropFirst()), Array(median.dropFirst()), voxels)
    let planar = Self.configuration(
      planner, "2d", flat, spacing: Array(spacing.dropFirst()), median: median.dropFirst().map(JSON.double),
      batchDice: true)
    guard median[0] != 1 else {
      all = ["2d": .object(planar)]
      return
    }

    let full = try network(spacing, median, voxels)
    var coarse: (plan: NetworkPlan, spacing: [Double], median: [Double])?
    var coarseSpacing = spacing
    var medianVoxels = median.reduce(1, *)
    var patchVoxels = full.patchVoxels
    while patchVoxels / medianVoxels < Self.smallestShare {
      let largest = coarseSpacing.max() ?? 1
      let lagging = coarseSpacing.indices.filter { largest / coarseSpacing[$0] > 2 }
      for axis in lagging.isEmpty ? Array(coarseSpacing.indices) : lagging { coarseSpacing[axis] *= Self.growth }
      let size = (0..<3).map { spacing[$0] / coarseSpacing[$0] * median[$0] }
      let rounded = size.map { $0.rounded(.toNearestOrEven) }
      // A thin stack cannot be made coarser any more.
      guard rounded.allSatisfy({ $0 >= 1 }) else { break }
      medianVoxels = size.reduce(1, *)
      let plan = try network(coarseSpacing, rounded, medianVoxels * cases)
      patchVoxels = plan.patchVoxels
      coarse = (plan, coarseSpacing, rounded)
    }
    if median.reduce(1, *) / medianVoxels < Self.smallestReduction { coarse = nil }

    var configurations: JSONObject = ["2d": .object(planar)]
    if let coarse {
      var lowres = Self.configuration(
        planner, "3d_lowres", coarse.plan, spacing: coarse.spacing, median: coarse.median.map { .int(Int($0)) },
        batchDice: false)
      lowres["next_stage"] = .string("3d_cascade_fullres")
      configurations["3d_lowres"] = .object(lowres)
    }
    configurations["3d_fullres"] = .object(
      Self.configuration(
        planner, "3d_fullres", full, spacing: spacing, median: median.map(JSON.double), batchDice: coarse != nil))
    if coarse != nil {
      configurations["3d_cascade_fullres"] = .object([
        "inherits_from": .string("3d_fullres"), "previous_stage": .string("3d_lowres"),
      ])
    }
    all = configurations
  }

  private static func configuration(
    _ planner: ExperimentPlanner, _ name: String, _ plan: NetworkPlan, spacing: [Double], median: [JSON],
    batchDice: Bool
  ) -> JSONObject {
    let preset = planner.preset
    let isShared = preset.sharesData && (name == "2d" || name == "3d_fullres")
    let schemes = normalizations(planner)
    var result: JSONObject = [
      "data_identifier": .string("\(isShared ? PlannerPreset.standard.plansName : planner.plansName)_\(name)"),
      "preprocessor_name": .string("DefaultPreprocessor"),
      "batch_size": .int(plan.batchSize),
      "patch_size": .array(plan.topology.patch.map(JSON.int)),
      "median_image_size_in_voxels": .array(median),
      "spacing": .array(spacing.map(JSON.double)),
      "normalization_schemes": .array(schemes.map { .string($0.name) }),
      "use_mask_for_norm": .array(schemes.map { .bool($0.masked) }),
    ]
    for (key, value) in resampling(preset.resampling).members { result[key] = value }
    result["architecture"] = plan.architecture(preset.architecture)
    result["batch_dice"] = .bool(batchDice)
    return result
  }

  /// Classes by what a channel is called, and whether they look at what is not zero only.
  private static func normalizations(_ planner: ExperimentPlanner) -> [(name: String, masked: Bool)] {
    let channels = planner.dataset["modality"]?.object ?? planner.dataset["channel_names"]?.object ?? [:]
    let isCropped = planner.fingerprint.medianRelativeSize < 0.75
    return channels.members.map { _, name in
      switch (name.string ?? "").lowercased() {
      case "ct": ("CTNormalization", false)
      case "nonorm": ("NoNormalization", false)
      case "rescale_to_0_1": ("RescaleTo01Normalization", false)
      case "rgb_to_0_1": ("RGBTo01Normalization", false)
      default: ("ZScoreNormalization", isCropped)
      }
    }
  }

  /// Functions and arguments for images, segmentations and probabilities.
  private static func resampling(_ method: PlannerPreset.Resampling) -> JSONObject {
    let function =
      switch method {
      case .spline: "resample_data_or_seg_to_shape"
      case .torch, .torchSeparateZ: "resample_torch_fornnunet"
      case .none: "no_resampling_hack"
      }
    func arguments(isLabels: Bool, order: Int) -> JSON {
      switch method {
      case .spline:
        return .object([
          "is_seg": .bool(isLabels), "order": .int(order), "order_z": .int(0), "force_separate_z": .null,
        ])
      case .torch, .torchSeparateZ:
        var arguments: JSONObject = [
          "is_seg": .bool(isLabels), "force_separate_z": method == .torch ? .bool(false) : .null,
          "memefficient_seg_resampling": .bool(false),
        ]
        if method == .torchSeparateZ { arguments["separate_z_anisotropy_threshold"] = .int(3) }
        return .object(arguments)
      case .none: return .object([:])
      }
    }
    return [
      "resampling_fn_data": .string(function),
      "resampling_fn_seg": .string(function),
      "resampling_fn_data_kwargs": arguments(isLabels: false, order: 3),
      "resampling_fn_seg_kwargs": arguments(isLabels: true, order: 1),
      "resampling_fn_probabilities": .string(function),
      "resampling_fn_probabilities_kwargs": arguments(isLabels: false, order: 1),
    ]
  }
}
