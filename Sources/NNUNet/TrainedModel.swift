import Basics
import Checkpoints
import Networks

/// A trained nnU-Net model: plans, dataset description and the networks of one or more folds.
public struct TrainedModel: Sendable {
  /// The model folder, `<Trainer>__<Plans>__<Configuration>`.
  public let path: String
  public let dataset: DatasetDescription
  public let plans: Plans
  public let configuration: Configuration
  public let trainerName: String
  /// Axes of the patch over which predictions may be mirrored, as the trainer stored them.
  public let mirrorAxes: [Int]
  /// One network per fold, in the order asked for.
  public let networks: [Network]
  public let folds: [String]

  /// Image channels, plus one per foreground label for the second stage of a cascade.
  public var inputChannelCount: Int {
    dataset.channelCount + (configuration.previousStage == nil ? 0 : dataset.labels.foregroundLabels.count)
  }

  /// Opens a model folder and the checkpoints of `folds`.
  ///
  /// Configuration, trainer and mirror axes come from the first fold's checkpoint, as in the reference. Throws
  /// `missingInput` for a missing folder, fold or checkpoint (the hint lists what there is) and `badInput` for files
  /// that contradict each other; every message names the file.
  public static func load(folder: String, folds: [String], checkpoint: String) throws -> TrainedModel {
    guard Path.isFolder(folder) else {
      throw Failure(
        .missingInput, Path.exists(folder) ? "is not a folder" : "does not exist", file: folder,
        hint: "-m takes a model folder: one with plans.json, dataset.json and fold_0")
    }
    let checkpoints = try folds.map { fold in
      try (fold: fold, file: TorchCheckpoint.open(checkpointPath(folder, fold, checkpoint)))
    }
    guard let first = checkpoints.first?.file else { throw Failure(.usage, "no fold was given") }
    let dataset = try document(folder, "dataset.json", inside: first.datasetJSON, DatasetDescription.init)
    let plans = try document(folder, "plans.json", inside: first.plans, Plans.init)
    let plansPath = Path.join(folder, "plans.json")
    guard let configurationName = first.configuration else {
      throw Failure(.badInput, "the checkpoint does not say which configuration it was trained in", file: first.path)
    }
    let configuration = try locating(plansPath) { try plans.configuration(configurationName) }
    guard configuration.normalizations.count >= dataset.channelCount else {
      throw Failure(
        .badInput, "the plans normalise \(configuration.normalizations.count) channels, the dataset has \(dataset.channelCount)",
        file: plansPath)
    }
    let networks = try checkpoints.map { try network($0.file, configuration, dataset, plansPath) }
    return TrainedModel(
      path: folder, dataset: dataset, plans: plans, configuration: configuration,
      trainerName: first.trainerName ?? "unknown", mirrorAxes: try mirrorAxes(first, configuration), networks: networks,
      folds: folds)
  }

  /// The folds of a model folder that have the checkpoint: `0`, `1`, ..., `all`.
  public static func availableFolds(folder: String, checkpoint: String) -> [String] {
    ((try? Path.list(folder)) ?? []).filter { $0.hasPrefix("fold_") }
      .filter { Path.isFile(Path.join(Path.join(folder, $0), checkpoint)) }
      .map { String($0.dropFirst("fold_".count)) }
  }

  private static func checkpointPath(_ folder: String, _ fold: String, _ checkpoint: String) throws -> String {
    let path = Path.join(Path.join(folder, "fold_\(fold)"), checkpoint)
    guard !Path.exists(path) else { return path }
    let available = availableFolds(folder: folder, checkpoint: checkpoint)
    throw Failure(
      .missingInput, "fold \(fold) has no such checkpoint", file: path,
      hint: available.isEmpty
        ? "no fold of this model has a \(checkpoint); name another with -chk"
        : "this model has it for fold \(available.joined(separator: ", ")); choose with -f")
  }

  /// A JSON document of the model folder, or the copy inside the checkpoint when the file is absent.
  private static func document<Value>(
    _ folder: String, _ name: String, inside copy: JSON?, _ parse: (JSON) throws -> Value
  ) throws -> Value {
    let path = Path.join(folder, name)
    return try locating(path) {
      if let copy, !Path.exists(path) { return try parse(copy) }
      return try parse(JSON.read(path))
    }
  }

  private static func mirrorAxes(_ checkpoint: TorchCheckpoint, _ configuration: Configuration) throws -> [Int] {
    let axes = checkpoint.mirroringAxes ?? []
    guard Set(axes).count == axes.count, axes.allSatisfy({ (0..<configuration.patchSize.count).contains($0) }) else {
      throw Failure(.badInput, "the mirror axes \(axes) are not axes of the patch", file: checkpoint.path)
    }
    return axes
  }

  private static func network(
    _ checkpoint: TorchCheckpoint, _ configuration: Configuration, _ dataset: DatasetDescription, _ plansPath: String
  ) throws -> Network {
    let channels =
      dataset.channelCount + (configuration.previousStage == nil ? 0 : dataset.labels.foregroundLabels.count)
    let weights = try checkpoint.networkWeights()
    let description = try locating(plansPath) {
      try UNetConfiguration(
        planConfiguration: configuration.json, inputChannels: channels, outputChannels: dataset.labels.outputCount,
        spatialRank: configuration.patchSize.count)
    }
    return try locating(checkpoint.path) {
      try Network(graph: try description.adapted(to: weights).makeGraph(), weights: weights)
    }
  }
}
