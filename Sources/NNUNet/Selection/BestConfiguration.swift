import Basics
import ImageFormats

/// Compares trained models, and pairs of them, by cross-validation: `nnUNetv2_find_best_configuration`.
public struct BestConfiguration: Sendable {
  public let folders: DatasetFolders
  public let folds: [String]
  /// Whether pairs of models are tried.
  public var triesEnsembles = true
  /// Whether results that are there are made again.
  public var isForced = true
  /// The number of processes that the instructions mention.
  public var processes = 8

  public init(folders: DatasetFolders, folds: [String]) { (self.folders, self.folds) = (folders, folds) }

  /// A model or an ensemble, and how good it is.
  public struct Candidate: Sendable {
    public let name: String
    public let models: [ModelIdentifier]
    /// The folder with its predictions for all validation cases.
    public let folder: String
    /// The mean foreground Dice.
    public let score: Double
  }

  /// What is found out while it runs, for whoever watches.
  public enum Event: Sendable {
    case note(String)
    case scored(Candidate)
    case determiningPostprocessing(of: Candidate)
  }

  public struct Result: Sendable {
    public let candidates: [Candidate]
    public let best: Candidate
    public let decision: PostprocessingFolder.Decision
    /// The text of `inference_instructions.txt`.
    public let instructions: String
  }

  /// Evaluates all models, picks the best and determines its postprocessing.
  ///
  /// Writes each model's gathered cross-validation, the ensembles, and `inference_information.json` and
  /// `inference_instructions.txt` in the dataset's results folder.
  ///
  /// - Parameter models: in the order in which equally good ones are preferred. Those whose configuration the plans do not
  ///   have are left out.
  /// - Throws: `missingInput` for models that have not been trained and folds that have not been validated.
  public func run(_ models: [ModelIdentifier], report: (Event) -> Void) throws -> Result {
    let models = try available(models, report)
    var candidates: [Candidate] = []
    func add(_ name: String, _ models: [ModelIdentifier], _ folder: String, _ summary: SegmentationSummary) {
      let candidate = Candidate(name: name, models: models, folder: folder, score: summary.foregroundDice)
      candidates.append(candidate)
      report(.scored(candidate))
    }
    let references = try folders.labelsToJudgeBy()
    for model in models {
      let results = CrossValidationResults(model: folder(of: model), folds: folds)
      let summary = try results.accumulate(references: references, isForced: isForced)
      add(model.description, [model], results.output, summary)
    }
    if triesEnsembles {
      for first in models.indices {
        for second in models.indices where second > first {
          let pair = [models[first], models[second]]
          let ensemble = CrossValidationEnsemble(folders: folders, models: pair, folds: folds)
          add(ensemble.name, pair, ensemble.output, try ensemble.run(isForced: isForced))
        }
      }
    }
    // A score that is no number never wins; of equal scores the first does.
    guard var best = candidates.first else { throw Failure(.internalError, "no model was compared") }
    for candidate in candidates where candidate.score > best.score || best.score.isNaN && !candidate.score.isNaN {
      best = candidate
    }
    report(.determiningPostprocessing(of: best))
    let decision = try PostprocessingFolder(best.folder).determine(references: folders.preprocessedLabels())
    let information = InferenceInformation(
      dataset: folders.dataset, folds: folds, considered: models, ensembling: triesEnsembles, candidates: candidates,
      best: best, after: decision.after.foregroundDice)
    try information.write(to: Path.join(folders.results, "inference_information.json"))
    let instructions = try information.instructions(processes: processes) { try previousStage(of: $0) }
    try AtomicFile.write(
      Array(instructions.utf8), to: Path.join(folders.results, "inference_instructions.txt"))
    return Result(candidates: candidates, best: best, decision: decision, instructions: instructions)
  }

  private func folder(of model: ModelIdentifier) -> String { Path.join(folders.results, model.description) }

  /// The models whose plans have their configuration.
  private func available(_ models: [ModelIdentifier], _ report: (Event) -> Void) throws -> [ModelIdentifier] {
    var found: [ModelIdentifier] = []
    for model in models {
      guard try plans(of: model).configurationNames.contains(model.configuration) else {
        report(.note("\(model.plans) has no configuration \(model.configuration); it is left out"))
        continue
      }
      guard Path.isFolder(folder(of: model)) else {
        throw Failure(
          .missingInput, "there is no such trained model", file: folder(of: model),
          hint: "train all folds of the configuration, or leave it out with -c")
      }
      found.append(model)
    }
    guard !found.isEmpty else {
      throw Failure(.missingInput, "none of the models was trained", file: folders.results)
    }
    return found
  }

  /// The plans of a model: of the preprocessed dataset, or, without that, of any model that was trained with them.
  private func plans(of model: ModelIdentifier) throws -> Plans {
    if let path = folders.preprocessed.map({ Path.join($0, model.plans + ".json") }), Path.isFile(path) {
      return try Plans.read(path)
    }
    let trained = ((try? Path.list(folders.results)) ?? []).first { ModelIdentifier($0)?.plans == model.plans }
    let folder = trained.map { Path.join(folders.results, $0) } ?? folder(of: model)
    return try Plans.read(Path.join(folder, "plans.json"))
  }

  /// The configuration that a cascade's model needs to be run first; nil for others.
  private func previousStage(of model: ModelIdentifier) throws -> ModelIdentifier? {
    let plans = try Plans.read(Path.join(folder(of: model), "plans.json"))
    return try plans.configuration(model.configuration).previousModel(of: model)
  }
}

/// The mean probabilities of two models for their validation cases.
struct CrossValidationEnsemble {
  let folders: DatasetFolders
  let models: [ModelIdentifier]
  let folds: [String]

  var name: String { ModelIdentifier.ensembleName(models, folds: folds) }
  var output: String { Path.join(Path.join(folders.results, "ensembles"), name) }

  /// Averages and evaluates. Throws `missingInput` when a model lacks the probabilities of a case.
  func run(isForced: Bool) throws -> SegmentationSummary {
    let summaryPath = Path.join(output, "summary.json")
    let paths = models.map { Path.join(folders.results, $0.description) }
    guard let first = paths.first else { throw Failure(.internalError, "an ensemble of no models") }
    let dataset = try DatasetDescription.read(Path.join(first, "dataset.json"))
    let reader = try Plans.read(Path.join(first, "plans.json")).reader
    let stems = try paths.map(self.stems)
    for (path, found) in zip(paths, stems) {
      guard let odd = Set(found.keys).symmetricDifference(stems[0].keys).min() else { continue }
      throw Failure(
        .missingInput, "there are no probabilities of the case \(odd) from both models", file: path,
        hint: "validate both models with --val --npz, or leave out ensembles with --disable_ensembling")
    }
    try Path.makeFolder(output)
    for name in ["plans.json", "dataset.json"] { try FileCopy.copy(name, from: first, to: output) }
    let average = ProbabilityAverage(dataset: dataset, reader: reader)
    _ = try CaseWorkers.map(stems[0].keys.sorted()) { _, name in
      let target = Path.join(output, name)
      if !isForced, Path.exists(target + dataset.fileEnding) { return }
      try average.write(stems.compactMap { $0[name] }, to: target, savesProbabilities: false)
    }
    let summary = try FolderEvaluation.evaluate(
      predictions: output, references: folders.preprocessedLabels(), fileEnding: dataset.fileEnding, reader: reader,
      labels: EvaluatedLabels(dataset: dataset))
    try summary.write(to: summaryPath)
    return summary
  }

  /// The paths, without ending, of a model's probabilities by case.
  private func stems(of model: String) throws -> [String: String] {
    var stems: [String: String] = [:]
    for fold in folds {
      let folder = try CrossValidationResults.validationFolder(of: model, fold: fold)
      let cases = try Ensemble.cases(in: folder)
      guard !cases.isEmpty else {
        throw Failure(
          .missingInput, "holds no probabilities (.npz)", file: folder,
          hint: "validate the model with --val --npz, or leave out ensembles with --disable_ensembling")
      }
      for name in cases { stems[name] = Path.join(folder, name) }
    }
    return stems
  }
}
