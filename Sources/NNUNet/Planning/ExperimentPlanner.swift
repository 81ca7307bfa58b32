import Basics
import ImageFormats

/// Turns a training set's fingerprint into plans: spacings, patch and batch sizes, networks (nnU-Net's method).
public struct ExperimentPlanner: Sendable {
  /// What the user may decide instead of the planner.
  public struct Options: Sendable {
    /// GPU memory in GB to plan for; nil for the preset's own.
    public var memoryTarget: Double?
    /// The voxel spacing of 3d_fullres and (its last two) of 2d in mm, file axis order; nil to derive it.
    public var targetSpacing: [Double]?
    /// The name of the plans; nil for the preset's own.
    public var plansName: String?

    public init(memoryTarget: Double? = nil, targetSpacing: [Double]? = nil, plansName: String? = nil) {
      self.memoryTarget = memoryTarget
      self.targetSpacing = targetSpacing
      self.plansName = plansName
    }
  }

  let preset: PlannerPreset
  let options: Options
  let datasetName: String
  let dataset: JSON
  let fingerprint: DatasetFingerprint
  let reader: ImageReader

  /// - Parameters:
  ///   - dataset: the `dataset.json` document.
  ///   - reader: the class that reads the images.
  /// - Throws: `usage` for impossible options.
  public init(
    preset: PlannerPreset, options: Options = Options(), datasetName: String, dataset: JSON,
    fingerprint: DatasetFingerprint, reader: ImageReader
  ) throws {
    if let memory = options.memoryTarget, !(memory > 0 && memory.isFinite) {
      throw Failure(.usage, "\(memory) GB of GPU memory cannot be planned for")
    }
    if let spacing = options.targetSpacing {
      guard spacing.count == 3, spacing.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw Failure(
          .usage, "the target spacing must be three positive numbers (mm)",
          hint: "for example 3 1 1, slowest axis first")
      }
    }
    if let name = options.plansName, name.isEmpty || name.contains("__") || name.contains("/") {
      throw Failure(.usage, "\"\(name)\" cannot be the name of plans: it must not contain __ or /")
    }
    self.preset = preset
    self.options = options
    self.datasetName = datasetName
    self.dataset = dataset
    self.fingerprint = fingerprint
    self.reader = reader
  }

  /// The name of the plans, and of their file without `.json`.
  public var plansName: String { options.plansName ?? preset.plansName }

  /// The plans as nnU-Net writes them, keys in its order.
  ///
  /// Throws `badInput` for a dataset description that says too little, and `usage` when no network fits the memory.
  public func plan() throws -> JSON {
    guard let labels = dataset["labels"]?.object, let training = dataset["numTraining"]?.int, training > 0 else {
      throw Failure(.badInput, "\"labels\" or \"numTraining\" is missing from dataset.json")
    }
    let target = options.targetSpacing ?? Self.targetSpacing(of: fingerprint)
    let first = Self.firstMaximum(target)
    let forward = [first] + (0..<3).filter { $0 != first }
    let median = forward.map { axis in
      Percentile.median(
        zip(fingerprint.spacings, fingerprint.shapes).map { spacing, shape in
          (spacing[axis] / target[axis] * Double(shape[axis])).rounded(.toNearestOrEven)
        })
    }
    let configurations = try PlannedConfigurations(
      planner: self, spacing: forward.map { target[$0] }, median: median, trainingCases: training, heads: labels.count)
    let shapes = forward.map { axis in
      Int(Percentile.median(fingerprint.shapes.map { Double($0[axis]) }).rounded(.toNearestOrEven))
    }
    return .object([
      "dataset_name": .string(datasetName),
      "plans_name": .string(plansName),
      "original_median_spacing_after_transp": .array(
        forward.map { axis in .double(Percentile.median(fingerprint.spacings.map { $0[axis] })) }),
      "original_median_shape_after_transp": .array(shapes.map(JSON.int)),
      "image_reader_writer": .string(reader.rawValue),
      "transpose_forward": .array(forward.map(JSON.int)),
      "transpose_backward": .array((0..<3).map { axis in .int(forward.firstIndex(of: axis) ?? axis) }),
      "configurations": .object(configurations.all),
      "experiment_planner_used": .string(preset.name),
      "label_manager": .string("LabelManager"),
      "foreground_intensity_properties_per_channel": fingerprint.intensities,
    ])
  }

  /// The median spacing; along an axis that is much coarser than the others and has few voxels a finer one, which the
  /// best-resolved tenth of the cases has.
  private static func targetSpacing(of fingerprint: DatasetFingerprint) -> [Double] {
    let anisotropy = 3.0
    var target = (0..<3).map { axis in Percentile.of(fingerprint.spacings.map { $0[axis] }, 50) }
    let size = (0..<3).map { axis in Percentile.of(fingerprint.shapes.map { Double($0[axis]) }, 50) }
    let worst = firstMaximum(target)
    let others = (0..<3).filter { $0 != worst }
    let coarsest = max(target[others[0]], target[others[1]])
    if target[worst] > anisotropy * coarsest, size[worst] * anisotropy < min(size[others[0]], size[others[1]]) {
      let fine = Percentile.of(fingerprint.spacings.map { $0[worst] }, 10)
      target[worst] = fine < coarsest ? coarsest + 1e-5 : fine
    }
    return target
  }

  private static func firstMaximum(_ values: [Double]) -> Int {
    values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
  }
}
