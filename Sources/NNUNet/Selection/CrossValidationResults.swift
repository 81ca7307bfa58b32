import Basics
import ImageFormats

/// The predictions that the folds of a model have made for their validation cases, gathered and evaluated together.
public struct CrossValidationResults: Sendable {
  /// The model's folder.
  public let model: String
  public let folds: [String]
  /// Where the segmentations and `summary.json` are put.
  public let output: String

  /// - Parameter output: nil for `crossval_results_folds_...` in the model's folder.
  public init(model: String, folds: [String], output: String? = nil) {
    self.model = model
    self.folds = folds
    self.output = output ?? Path.join(model, ModelIdentifier.crossValidationFolder(folds: folds))
  }

  /// Copies every segmentation in `fold_N/validation` to `output`, adds `plans.json` and `dataset.json`, and evaluates them.
  ///
  /// - Parameters:
  ///   - references: the folder with the labels to judge by.
  ///   - isForced: whether to do it again when `output` is complete. What was there before is removed.
  /// - Throws: `missingInput` when a fold has no validation results, `badInput` when a case is in two folds.
  @discardableResult
  public func accumulate(
    references: String, isForced: Bool = true,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> SegmentationSummary {
    let dataset = try DatasetDescription.read(Path.join(model, "dataset.json"))
    let plans = try Plans.read(Path.join(model, "plans.json"))
    let files = try validationFiles(ending: dataset.fileEnding)
    let summaryPath = Path.join(output, "summary.json")
    // A summary of other cases than these is worth nothing.
    let isComplete = files.allSatisfy { Path.exists(Path.join(output, Path.split($0).name)) }
    if !isForced, isComplete, Path.isFile(summaryPath) { return try SegmentationSummary.read(summaryPath) }
    if isForced, Path.exists(output) { Path.removeTree(output) }
    try Path.makeFolder(output)
    for name in ["dataset.json", "plans.json"] { try FileCopy.copy(name, from: model, to: output) }
    _ = try CaseWorkers.map(files) { _, file in
      let target = Path.join(output, Path.split(file).name)
      if isForced || !Path.exists(target) { try FileCopy.copy(file, to: target) }
    }
    let summary = try FolderEvaluation.evaluate(
      predictions: output, references: references, fileEnding: dataset.fileEnding, reader: plans.reader,
      labels: EvaluatedLabels(dataset: dataset), progress: progress)
    try summary.write(to: summaryPath)
    return summary
  }

  /// The folder with the predictions of a fold for its validation cases. Throws `missingInput` when it is not there.
  static func validationFolder(of model: String, fold: String) throws -> String {
    let folder = Path.join(Path.join(model, "fold_\(fold)"), "validation")
    guard Path.isFolder(folder) else {
      throw Failure(
        .missingInput, "fold \(fold) has no validation results", file: folder,
        hint: "train the fold to its end, or validate it with --val; or choose other folds with -f")
    }
    return folder
  }

  private func validationFiles(ending: String) throws -> [String] {
    var foldOf: [String: String] = [:]
    var files: [String] = []
    for fold in folds {
      let folder = try Self.validationFolder(of: model, fold: fold)
      for name in try FolderEvaluation.segmentations(in: folder, ending: ending) {
        if let other = foldOf.updateValue(fold, forKey: name) {
          throw Failure(
            .badInput, "the case is among the validation results of the folds \(other) and \(fold)",
            file: Path.join(folder, name), hint: "remove what an older split has left behind")
        }
        files.append(Path.join(folder, name))
      }
    }
    return files
  }
}
