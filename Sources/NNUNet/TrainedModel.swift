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
  /// One network per fold, in the order asked for; none when the model is a file that an engine reads itself.
  public let networks: [Network]
  public let folds: [String]
  /// What is done otherwise than in v2; nil for models of v2.
  var legacy: LegacyConventions?
  /// The file that the network is run from, instead of `networks`.
  public internal(set) var file: (any NetworkFile)?
  /// The distance between patches that the model was made for, as a fraction of the patch; nil for nnU-Net's.
  public internal(set) var step: Double?
  /// Whether the middle of a patch counts more than its rim where patches overlap.
  var usesGaussian = true

  /// How many networks answer together.
  public var networkCount: Int { file == nil ? networks.count : 1 }

  /// What runs, in a few words.
  public var networkName: String {
    if let file {
      let onnx = file as? ONNXFile
      let kind = onnx.map { $0.isQuantized ? "ONNX, int8" : $0.isPrepared ? "TensorRT" : "ONNX" } ?? "OpenVINO"
      return "\(kind) (\(Path.split(file.path).name))"
    }
    return networks.first?.graph.name ?? "no network"
  }

  /// Image channels, plus one per foreground label for the second stage of a cascade.
  public var inputChannelCount: Int { configuration.inputChannelCount(for: dataset) }

  /// Whether the model was made by nnU-Net v1.
  public var isLegacy: Bool { legacy != nil }

  /// Opens a model folder and the checkpoints of `folds`. Models of nnU-Net v1 are understood too.
  ///
  /// Configuration, trainer and mirror axes come from the first fold's checkpoint, as in the reference. A fold that is
  /// named twice is taken once: its answer must not count twice in the mean. Throws `missingInput` for a missing folder,
  /// fold or checkpoint (the hint lists what there is) and `badInput` for files that contradict each other; every message
  /// names the file.
  public static func load(folder: String, folds: [String], checkpoint: String) throws -> TrainedModel {
    if ExportedModel.isModelFile(folder) { return try ExportedModel.load(folder) }
    let folds = folds.uniqued
    guard Path.isFolder(folder) else {
      throw Failure(
        .missingInput, Path.exists(folder) ? "is not a folder" : "does not exist", file: folder,
        hint: "-m takes a model folder (one with plans.json, dataset.json and fold_0), an ONNX file or OpenVINO's .xml")
    }
    if LegacyModel.isLegacy(folder: folder) {
      return try LegacyModel.load(folder: folder, folds: folds, checkpoint: checkpoint)
    }
    guard looksLikeModel(folder) else { throw noModel(in: folder) }
    let checkpoints = try folds.map { fold in
      let path = try checkpointPath(folder, fold, checkpoint)
      return (path: path, content: try TorchCheckpoint.open(path))
    }
    guard let (firstPath, first) = checkpoints.first else { throw Failure(.usage, "no fold was given") }
    let dataset = try document(folder, "dataset.json", inside: first.datasetJSON, DatasetDescription.init)
    let plans = try document(folder, "plans.json", inside: first.plans, Plans.init)
    let plansPath = Path.join(folder, "plans.json")
    guard let configurationName = first.configuration else {
      throw Failure(
        .badInput, "the checkpoint does not say which configuration it was trained in", file: firstPath,
        hint: "it was not made by nnU-Net v2; it holds "
          + (first.root.dictionary?.names.prefix(8).joined(separator: ", ") ?? "no dictionary"))
    }
    let configuration = try locating(plansPath) { try plans.configuration(configurationName) }
    guard configuration.normalizations.count >= dataset.channelCount else {
      throw Failure(
        .badInput,
        "the plans normalise \(configuration.normalizations.count) channels, the dataset has \(dataset.channelCount)",
        file: plansPath)
    }
    let networks = try checkpoints.map { path, checkpoint in
      let description = try student(
        locating(plansPath) { try configuration.network(for: dataset) }, of: checkpoint)
      let matched = try locating(path) { try network(description, weights: checkpoint.networkWeights.tensors) }
      // A patch that the network cannot halve and double again is found out before anything is written.
      _ = try locating(plansPath) {
        try matched.graph.shapes(forInput: [1, description.inputChannels] + configuration.patchSize)
      }
      return matched
    }
    return TrainedModel(
      path: folder, dataset: dataset, plans: plans, configuration: configuration,
      trainerName: first.trainerName ?? "unknown",
      mirrorAxes: try locating(firstPath) { try mirrorAxes(first, configuration) }, networks: networks, folds: folds)
  }

  /// This model with the networks of others of the same configuration, all of which then answer together.
  public func joined(with others: [TrainedModel]) -> TrainedModel {
    TrainedModel(
      path: path, dataset: dataset, plans: plans, configuration: configuration, trainerName: trainerName,
      mirrorAxes: mirrorAxes, networks: networks + others.flatMap(\.networks), folds: folds + others.flatMap(\.folds),
      legacy: legacy)
  }

  /// The folds of a model folder that have the checkpoint: `0`, `1`, ..., `all`.
  public static func availableFolds(folder: String, checkpoint: String) -> [String] {
    ((try? Path.list(folder)) ?? []).filter { $0.hasPrefix("fold_") }
      .filter { Path.isFile(Path.join(Path.join(folder, $0), checkpoint)) }
      .map { String($0.dropFirst("fold_".count)) }
  }

  /// Whether a folder has plans, or folds whose checkpoints may hold them.
  private static func looksLikeModel(_ folder: String) -> Bool {
    let names = (try? Path.list(folder)) ?? []
    return names.contains("plans.json") || names.contains("plans.pkl") || names.contains { $0.hasPrefix("fold_") }
  }

  /// People give the dataset's folder, or that of a fold.
  private static func noModel(in folder: String) -> Failure {
    let parent = Path.split(folder).folder
    let inside = ((try? Path.list(folder)) ?? []).filter { looksLikeModel(Path.join(folder, $0)) }
    var hint = "-m takes the folder with plans.json, dataset.json and fold_0"
    if !inside.isEmpty {
      hint = "-m takes a model in it: \(inside.map { Path.join(folder, $0) }.joined(separator: ", "))"
    } else if parent != folder, looksLikeModel(parent) {
      hint = "-m takes the folder above it, \(parent)"
    }
    return Failure(.missingInput, "is no model folder: it holds no plans.json", file: folder, hint: hint)
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
      throw Failure(.badInput, "the mirror axes \(axes) are not axes of the patch")
    }
    return axes
  }

  /// A student of FastnnUNet's lies beside the plans of the whole network; its checkpoint says how it was narrowed.
  private static func student(
    _ description: UNetConfiguration, of checkpoint: TorchCheckpoint
  ) throws -> UNetConfiguration {
    let arguments = checkpoint.root["init_args"]
    guard let reduction = arguments?["feature_reduction_factor"]?.int, reduction > 1 else { return description }
    let weights = ParameterNames.canonical(checkpoint.networkWeights.tensors)
    // Plans that say it themselves need no help. One stage does not tell: none gets fewer than 8 channels.
    let planned = try description.makeGraph().parameters.map { ($0.name, $0.shape) }
    guard
      encoderWidths(Dictionary(planned, uniquingKeysWith: { $1 })) != encoderWidths(weights.mapValues(\.shape))
    else { return description }
    let rule = arguments?["block_reduction_strategy"]?.string.flatMap(BlockStrategy.init) ?? .keep
    return description.narrowed(by: reduction, blocks: rule)
  }

  /// The channels that each convolution of an encoder's stages gives, by name.
  private static func encoderWidths(_ shapes: [String: [Int]]) -> [String: Int] {
    shapes.filter { $0.key.hasPrefix("encoder.stages.") && $0.key.hasSuffix(".conv.weight") }
      .mapValues { $0.first ?? 0 }
  }

  /// Pairs the description with a checkpoint's weights, which know better whether there is batch normalisation.
  private static func network(_ description: UNetConfiguration, weights: [String: Tensor]) throws -> Network {
    let adapted = description.adapted(to: try WeightFacts(weights: weights))
    guard adapted.inputChannels == description.inputChannels, adapted.outputChannels == description.outputChannels
    else {
      throw Failure(
        .badInput,
        "the weights take \(adapted.inputChannels) channel(s) and give \(adapted.outputChannels); plans.json and "
          + "dataset.json ask for \(description.inputChannels) and \(description.outputChannels)",
        hint: "the checkpoint belongs to another dataset or configuration")
    }
    return try Network(graph: adapted.makeGraph(), weights: weights).optimized(.dropDropout)
  }
}
