import Basics
import ImageFormats
import Imaging
import Synchronization

/// Preprocesses a dataset for training: every case once for all configurations, on all cores.
///
/// The cases of a configuration are collected beside their folder and take its place when all are there, so that an
/// interrupted run leaves what was there before and a new one starts afresh.
public struct PreprocessingRun: Sendable {
  /// What happens on the way.
  public enum Event: Sendable {
    /// A configuration that the plans do not have.
    case skipped(configuration: String)
    case finished(identifier: String, done: Int, total: Int)
    case failed(identifier: String, Failure)
    case warning(String)
  }

  private let dataset: RawDataset
  private let plans: Plans
  private let folder: String
  private let wanted: [String]

  /// - Parameters:
  ///   - folder: the preprocessed dataset's folder.
  ///   - configurations: names; those that the plans lack are passed over.
  public init(dataset: RawDataset, plans: Plans, folder: String, configurations: [String]) {
    self.dataset = dataset
    self.plans = plans
    self.folder = folder
    wanted = configurations
  }

  /// One folder of preprocessed data and the configuration it is made for.
  private struct Target: Sendable {
    let configuration: Configuration
    let identifier: String
    /// Where the cases are collected.
    let scratch: ScratchFolder
  }

  /// Runs.
  ///
  /// - Parameter limit: the most cases to work on at once.
  /// - Throws: the first case's failure when one or more failed, and then no folder is replaced; `cannotWrite`;
  ///   `interrupted`.
  public func run(limit: Int? = nil, report: @escaping @Sendable (Event) -> Void = { _ in }) throws {
    let targets = try self.targets(report)
    guard !targets.isEmpty else { return }
    try prepareCases(targets, limit: limit, report)
    // One wait for the disk instead of two per case.
    try Path.flush(folder)
    for target in targets { try target.scratch.replace(Path.join(folder, target.identifier)) }
    try copyLabels()
  }

  private func targets(_ report: (Event) -> Void) throws -> [Target] {
    var targets: [Target] = []
    for name in wanted {
      guard plans.configurationNames.contains(name) else {
        report(.skipped(configuration: name))
        continue
      }
      let configuration = try plans.configuration(name)
      let identifier = configuration.json["data_identifier"]?.string ?? "\(plans.plansName)_\(name)"
      guard !identifier.contains("/"), !identifier.hasPrefix("."), !identifier.isEmpty else {
        throw Failure(.badInput, "the data identifier \"\(identifier)\" is no folder name")
      }
      if targets.contains(where: { $0.identifier == identifier }) { continue }
      try Path.makeFolder(folder)
      targets.append(
        Target(
          configuration: configuration, identifier: identifier, scratch: try ScratchFolder(in: folder)))
    }
    return targets
  }

  private func prepareCases(
    _ targets: [Target], limit: Int?, _ report: @escaping @Sendable (Event) -> Void
  ) throws {
    let preparation = TrainingPreparation(plans: plans, dataset: dataset.description)
    let keys = ClassKey.all(of: dataset.description)
    let cases = dataset.cases
    let state = Mutex((done: 0, failures: [Int: Failure]()))
    try CaseWorkers.run(cases.count, limit: limit) {
      CaseMemory.ofPreparing(cases[$0].images, configurations: targets.map(\.configuration), plans: plans)
    } failed: { index, failure in
      let located = failure.located(in: cases[index].images[0])
      state.withLock { $0.failures[index] = located }
      report(.failed(identifier: cases[index].identifier, located))
    } _: { index in
      let training = cases[index]
      var cropped: TrainingPreparation.Cropped? = try preparation.read(training)
      for warning in cropped?.image.warnings ?? [] { report(.warning("\(training.identifier): \(warning)")) }
      for (number, target) in targets.enumerated() {
        guard let shared = cropped else { break }
        // The last configuration may have the voxels for itself.
        if number == targets.count - 1 { cropped = nil }
        let prepared = try preparation.prepare(shared, for: target.configuration, keys: keys)
        try prepared.write(stem: Path.join(target.scratch.path, training.identifier), keys: keys)
      }
      // Reported in order of completion, so under the lock.
      state.withLock { state in
        state.done += 1
        report(.finished(identifier: training.identifier, done: state.done, total: cases.count))
      }
    }
    let failures = state.withLock { $0.failures }
    guard let first = failures.keys.min().flatMap({ failures[$0] }) else { return }
    throw Failure(first.kind, "\(failures.count) of \(cases.count) cases failed; nothing was changed")
  }

  /// Fills `gt_segmentations` with the dataset's labels, named by case.
  private func copyLabels() throws {
    let target = Path.join(folder, "gt_segmentations")
    try Path.makeFolder(target)
    let ending = dataset.description.fileEnding
    for training in dataset.cases {
      try Path.copy(training.label, to: Path.join(target, training.identifier + ending))
    }
  }
}

extension CaseMemory {
  /// Bytes for the image, its crop and, one configuration after another, a normalised and a resampled copy.
  static func ofPreparing(_ images: [String], configurations: [Configuration], plans: Plans) -> Int {
    guard let header = try? ImageHeader.read(images[0]) else { return 0 }
    let voxels = Double(header.shape.count)
    let spacing = header.spacing.permuted(plans.transposeForward)
    let resampled =
      configurations.map { configuration in
        let target = configuration.targetSpacing(for: spacing)
        return voxels * (spacing.z / target.z) * (spacing.y / target.y) * (spacing.x / target.x)
      }.max() ?? 0
    let channels = Double(header.channels * images.count)
    let bytes = voxels * (12 * channels + 6) + resampled * (4 * channels + 14)
    return bytes.isFinite && bytes < 1e15 ? Int(bytes) : 0
  }
}
