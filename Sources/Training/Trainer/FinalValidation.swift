import Basics
import Engines
import ImageFormats
import Imaging
import NNUNet
import Synchronization

/// Segments the validation cases of a fold with the trained network and compares them with their references.
public struct FinalValidation: Sendable {
  public let task: TrainingTask
  /// `TRAINER__PLANS__CONFIGURATION`
  public let modelFolder: String
  public let fold: String
  /// The name of the checkpoint in the fold's folder.
  public let checkpoint: String
  /// `nnUNet_preprocessed/DATASET`
  public let datasetFolder: String
  public let savesProbabilities: Bool
  public let compile: CompileOptions
  /// The segmentations of a cascade's first stage.
  public let previous: PreviousSegmentations?
  /// What predicts; nil for the fold's checkpoint.
  public var model: TrainedModel?
  /// Where the segmentations go; nil for the fold's `validation`.
  public var output: String?
  public var mirrors = true
  /// Hears the seconds that each case took from the first tile to its labels.
  public var timed: (@Sendable (Double) -> Void)?

  private struct Ahead: Sendable {
    let prepared: PreparedCase
    /// Grids of the next stages, by configuration.
    let nextStages: [(configuration: String, shape: Shape3D)]
  }

  private struct Behind: Sendable {
    let record: PreparationRecord
    let prediction: Predictor.Prediction
    let nextStages: [String]
  }

  /// Writes `validation/`, its `summary.json`, and what the next stages of a cascade need.
  ///
  /// - Throws: when a case failed, after all others have been done; `engine`; `interrupted`.
  public func run(
    cases: [any PreprocessedCase], engine: any Engine, report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> SegmentationSummary {
    let output = output ?? Path.join(Path.join(modelFolder, "fold_\(fold)"), "validation")
    let model = try model ?? TrainedModel.load(folder: modelFolder, folds: [fold], checkpoint: checkpoint)
    guard model.configuration.name == task.configuration.name else {
      throw Failure(
        .badInput,
        "the checkpoint was trained as \(model.configuration.name), not as \(task.configuration.name)",
        file: Path.join(Path.join(modelFolder, "fold_\(fold)"), checkpoint), hint: "train this configuration first")
    }
    var options = PredictionOptions()
    options.mirroring = mirrors
    options.compile = compile
    options.saveProbabilities = savesProbabilities
    let passes = cases.reduce(0) { $0 + model.passesPerFold(for: $1.properties.record, options) }
    let predictor = try Predictor(model: model, engine: engine, options: options, expectedPasses: passes)
    report(
      .note("validation: \(cases.count) cases with \(predictor.engineName), \(predictor.precision.rawValue)"))
    try Path.makeFolder(output)
    let folders = self.model == nil ? nextFolders(report) : []
    let failures = FailureList()
    try interruptible {
      try predictAll(cases, with: predictor, folders, output, failures, report)
    }
    if let first = failures.all.first {
      throw Failure(
        first.kind, "\(failures.all.count) of \(cases.count) validation cases failed; the first: \(first)",
        hint: "the checkpoint is unharmed; --val repeats the validation")
    }
    return try evaluate(output, report)
  }

  private func predictAll(
    _ cases: [any PreprocessedCase], with predictor: Predictor,
    _ folders: [(configuration: String, folder: PreprocessedFolder)], _ output: String, _ failures: FailureList,
    _ report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws {
    try CasePipeline.run(
      Array(cases.enumerated()),
      read: { [self] item in try read(item.element, folders, report) },
      work: { item, ahead in
        report(.validating(identifier: item.element.identifier, number: item.offset + 1, of: cases.count))
        let record = ahead.prepared.record
        var clock = Stopwatch()
        let prediction = try predictor.predict(
          ahead.prepared, spoolFolder: savesProbabilities ? output : nil, nextStages: ahead.nextStages.map(\.shape)
        ) { _, _ in try Interruption.check() }
        timed?(clock.lap())
        return Behind(record: record, prediction: prediction, nextStages: ahead.nextStages.map(\.configuration))
      },
      write: { [self] item, result in
        try write(result, identifier: item.element.identifier, to: output)
      },
      failed: { item, failure in
        failures.add(failure)
        report(.warning("\(item.element.identifier): failed: \(failure)"))
      })
  }

  /// What stopping a validation means to the user.
  private func interruptible(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let failure as Failure where failure.kind == .interrupted {
      throw Failure(
        .interrupted, "stopped by the user", hint: "the training is finished; --val repeats the validation")
    }
  }

  private func evaluate(_ output: String, _ report: (TrainingEvent) -> Void) throws -> SegmentationSummary {
    let summary = try FolderEvaluation.evaluate(
      predictions: output, references: Path.join(datasetFolder, "gt_segmentations"),
      fileEnding: task.dataset.fileEnding, reader: task.plans.reader,
      labels: try EvaluatedLabels(dataset: task.dataset), requiresAll: false)
    let path = Path.join(output, "summary.json")
    try summary.write(to: path)
    report(.validated(meanDice: summary.foregroundDice, summary: path))
    return summary
  }

  /// The preprocessed data of the configurations that follow this one in a cascade.
  private func nextFolders(
    _ report: (TrainingEvent) -> Void
  ) -> [(configuration: String, folder: PreprocessedFolder)] {
    let value = task.configuration.json["next_stage"]
    let names = value?.strings ?? value?.string.map { [$0] } ?? []
    return names.compactMap { name in
      do {
        let next = try task.plans.configuration(name)
        let identifier = next.json["data_identifier"]?.string ?? ""
        let path = Path.join(datasetFolder, identifier)
        return (name, try PreprocessedFolder(path: path, plans: task.plans, configuration: next))
      } catch {
        report(.warning("nothing is written for the next stage \(name): \(error)"))
        return nil
      }
    }
  }

  private func read(
    _ data: any PreprocessedCase, _ folders: [(configuration: String, folder: PreprocessedFolder)],
    _ report: (TrainingEvent) -> Void
  ) throws -> Ahead {
    let shape = data.shape
    let labels = previous == nil ? [] : task.dataset.labels.foregroundLabels
    let stage = try previous?.segmentation(of: data.identifier, shape: shape)
    let voxels = try Volume<Float>(channels: data.channelCount + labels.count, shape: shape) { target in
      let image = UnsafeMutableBufferPointer(rebasing: target[..<(data.channelCount * shape.count)])
      try data.read(Box3D(shape), image: image, labels: nil)
      guard let stage else { return }
      for (index, label) in labels.enumerated() {
        let start = (data.channelCount + index) * shape.count
        for voxel in 0..<shape.count { target[start + voxel] = Int(stage.elements[voxel]) == label ? 1 : 0 }
      }
    }
    let nextStages = folders.compactMap { name, folder -> (configuration: String, shape: Shape3D)? in
      guard let next = try? folder.open(data.identifier) else {
        report(.warning("\(data.identifier) is missing in \(folder.path); nothing is written for \(name)"))
        return nil
      }
      return (name, next.shape)
    }
    return Ahead(
      prepared: PreparedCase(identifier: data.identifier, voxels: voxels, record: data.properties.record),
      nextStages: nextStages)
  }

  private func write(_ result: Behind, identifier: String, to output: String) throws {
    let stem = Path.join(output, identifier)
    if let probabilities = result.prediction.probabilities {
      try ProbabilityFiles.write(probabilities, record: result.record, stem: stem)
    }
    try task.plans.reader.write(
      result.prediction.labels, as: stem + task.dataset.fileEnding, like: result.record.geometry)
    for (configuration, labels) in zip(result.nextStages, result.prediction.nextStages) {
      let folder = NextStage.folder(modelFolder: modelFolder, configuration: configuration)
      try Path.makeFolder(folder)
      try NextStage.write(labels, to: Path.join(folder, identifier + ".npz"))
    }
  }
}

/// Failures gathered from several threads.
private final class FailureList: Sendable {
  private let list = Mutex<[Failure]>([])
  func add(_ failure: Failure) { list.withLock { $0.append(failure) } }
  var all: [Failure] { list.withLock { $0 } }
}
