import Basics
import Checkpoints
import ImageFormats
import Imaging
import Networks

/// Reads models of nnU-Net v1: folders with `plans.pkl` and `fold_N/model_final_checkpoint.model` with its `.pkl`.
///
/// The pickles are turned into the documents that v2 keeps, so that everything after that is the same.
public enum LegacyModel {
  /// The checkpoint that v1 predicts with.
  public static let checkpointName = "model_final_checkpoint.model"

  /// Whether a folder holds a model of nnU-Net v1.
  public static func isLegacy(folder: String) -> Bool {
    Path.isFile(Path.join(folder, "plans.pkl")) && !Path.isFile(Path.join(folder, "plans.json"))
  }

  /// The folds that have the checkpoint, `0`, `1`, ... or `all`: v1 averages those that there are.
  public static func availableFolds(folder: String, checkpoint: String) -> [String] {
    ((try? Path.list(folder)) ?? []).filter { $0.hasPrefix("fold_") || $0 == "all" }
      .filter { Path.isFile(Path.join(Path.join(folder, $0), checkpoint)) }
      .map { $0 == "all" ? $0 : String($0.dropFirst("fold_".count)) }
  }

  static func foldFolder(_ folder: String, _ fold: String) -> String {
    Path.join(folder, fold == "all" ? "all" : "fold_\(fold)")
  }

  /// One fold: what its pickle says, and its weights.
  private struct Fold {
    let path: String
    let trainer: LegacyTrainer
    let plans: JSON
    /// nil when there is one only.
    let stage: Int?
    let weights: LegacyWeights

    init(folder: String, fold: String, checkpoint: String) throws {
      let path = Path.join(LegacyModel.foldFolder(folder, fold), checkpoint)
      self.path = path
      guard Path.isFile(path), Path.isFile(path + ".pkl") else {
        let available = LegacyModel.availableFolds(folder: folder, checkpoint: checkpoint)
        throw Failure(
          .missingInput, "fold \(fold) has no such checkpoint with its .pkl", file: path,
          hint: available.isEmpty
            ? "no fold of this model has a \(checkpoint); name another with -chk"
            : "this model has it for fold \(available.joined(separator: ", ")); choose with -f")
      }
      let description = try PickleFile.read(path + ".pkl")
      (trainer, plans, stage) = try locating(path + ".pkl") {
        guard let name = description["name"]?.string, let plans = try description["plans"]?.json() else {
          throw Failure(.badInput, "does not describe a model of nnU-Net v1: name or plans are missing")
        }
        let arguments = description["init"]?.sequence ?? []
        return (LegacyTrainer(name: name), plans, arguments.count > 5 ? arguments[5].int : nil)
      }
      weights = try locating(path) { try LegacyWeights(TorchCheckpoint.open(path).networkWeights.tensors) }
    }
  }

  /// Opens a model. Throws as `TrainedModel.load` does.
  static func load(folder: String, folds: [String], checkpoint: String) throws -> TrainedModel {
    let opened = try folds.map { try Fold(folder: folder, fold: $0, checkpoint: checkpoint) }
    guard let first = opened.first else { throw Failure(.usage, "no fold was given") }
    let source = LegacyPlans(json: first.plans, folder: folder, trainer: first.trainer, stage: first.stage)
    let (dataset, plans, configuration, normalizations) = try locating(first.path + ".pkl") {
      let plans = try Plans(json: source.plansJSON(rank: first.weights.configuration.spatialRank))
      return (
        try DatasetDescription(json: source.datasetJSON()), plans, try plans.configuration(source.configurationName),
        try source.normalizations()
      )
    }
    let inputs =
      dataset.channelCount + (configuration.previousStage == nil ? 0 : dataset.labels.foregroundLabels.count)
    let networks = try opened.map { fold in
      try locating(fold.path) {
        let network = try fold.trainer.adapted(fold.weights.configuration)
        guard network.inputChannels == inputs, network.outputChannels == dataset.labels.outputCount else {
          throw Failure(
            .badInput,
            "the weights take \(network.inputChannels) channel(s) and give \(network.outputChannels); the plans ask for "
              + "\(inputs) and \(dataset.labels.outputCount)")
        }
        let matched = try Network(graph: network.makeGraph(), weights: fold.weights.weights)
        _ = try matched.graph.shapes(forInput: [1, inputs] + configuration.patchSize)
        return matched
      }
    }
    let postprocessing = try LegacyPostprocessing.read(Path.join(folder, "postprocessing.json"))
    return TrainedModel(
      path: folder, dataset: dataset, plans: plans, configuration: configuration, trainerName: first.trainer.name,
      mirrorAxes: first.trainer.mirrors ? Array(configuration.patchSize.indices) : [], networks: networks, folds: folds,
      legacy: LegacyConventions(normalizations: normalizations, postprocessing: postprocessing))
  }
}
