import Basics
import NNUNet

/// The model whose segmentations of the training cases a cascade's second stage is trained with.
struct FirstStage {
  let model: ModelIdentifier
  /// Its `predicted_next_stage/CONFIGURATION`.
  let folder: String

  /// Finds the first of some models that has segmented for a second stage; nil where that takes no segmentations.
  ///
  /// - Parameters:
  ///   - second: of the plans' configuration that is trained.
  ///   - trainers: names under which the first stage may lie, the best first.
  ///   - results: `nnUNet_results/DATASET`
  /// - Throws: `missingInput` when there is none.
  init?(before second: Configuration, trainers: [String], plans: String, results: String) throws {
    guard let stage = second.previousStage else { return nil }
    let found = trainers.map { trainer -> FirstStage in
      let model = ModelIdentifier(trainer: trainer, plans: plans, configuration: stage)
      let modelFolder = Path.join(results, model.description)
      return FirstStage(model, NextStage.folder(modelFolder: modelFolder, configuration: second.name))
    }
    guard let best = found.first(where: { Path.isFolder($0.folder) }) else {
      let names = found.map(\.model.description)
      throw Failure(
        .missingInput,
        "\(second.name) is the second stage of a cascade; no model of the first one, \(stage), has left "
          + "segmentations for it", file: results,
        hint: "train and validate all folds of \(stage) first; looked for \(names.joined(separator: ", "))")
    }
    self = best
  }

  private init(_ model: ModelIdentifier, _ folder: String) { (self.model, self.folder) = (model, folder) }

  /// Throws `missingInput` unless all cases are there.
  func segmentations(needed: [String]) throws -> PreviousSegmentations {
    let folder = folder
    if let missing = needed.first(where: { NextStage.file(folder: folder, identifier: $0) == nil }) {
      _ = try NextStage.open(folder: folder, identifier: missing)
    }
    return PreviousSegmentations(folder: folder) { try NextStage.open(folder: folder, identifier: $0) }
  }
}
