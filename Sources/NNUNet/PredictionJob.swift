import Basics
import Engines

/// Everything one prediction command asks for, from an input path to an output folder.
public struct PredictionJob: Sendable {
  /// A folder of images or one image.
  public var input: String
  public var outputFolder: String
  public var modelFolder: String
  public var folds: [String]
  public var checkpoint: String
  public var options: PredictionOptions
  /// The document that describes a model given as a file; nil for the one inside or beside it.
  public var modelDescription: String?
  /// Whether every image of the folder is a case, with or without a channel suffix.
  public var everyFileIsACase = false

  public init(
    input: String, outputFolder: String, modelFolder: String, folds: [String], checkpoint: String,
    options: PredictionOptions
  ) {
    self.input = input
    self.outputFolder = outputFolder
    self.modelFolder = modelFolder
    self.folds = folds
    self.checkpoint = checkpoint
    self.options = options
  }

  /// A job whose files have been looked at: the model is loaded and the cases are known.
  public struct Opened: Sendable {
    public let job: PredictionJob
    public let model: TrainedModel
    /// The cases of this part of the run.
    public let cases: CaseList
    /// The earlier stage of a cascade that must be run first, on the same cases.
    public let previous: [Opened]
  }

  /// Loads the model and lists the cases.
  ///
  /// A cascade whose previous stage has not been predicted finds that stage's model beside its own and puts it first.
  /// Throws `missingInput`, `badInput` or `usage`, naming what is missing and what there is instead.
  public func open() throws -> Opened { try open(asStageOf: []) }

  /// - Parameter later: the model folders of the cascade's later stages, which are opened already.
  private func open(asStageOf later: [String]) throws -> Opened {
    if let modelDescription, Path.isFolder(modelFolder) {
      throw Failure(
        .usage, "describes a network in a file, but the model is the folder \(modelFolder)", file: modelDescription,
        hint: "leave out --model-config, or name an ONNX file or OpenVINO's .xml with -m")
    }
    let model =
      if ExportedModel.isModelFile(modelFolder) {
        try ExportedModel.load(modelFolder, description: modelDescription)
      } else {
        try TrainedModel.load(folder: modelFolder, folds: folds, checkpoint: checkpoint)
      }
    guard !model.isLegacy || !options.saveProbabilities else {
      throw Failure(.usage, "probabilities of models of nnU-Net v1 cannot be saved", file: modelFolder)
    }
    let part = options.record
    var list = try findCases(ending: model.dataset.fileEnding)
    // Files with wrong names are complained about once, by the last stage of the first part.
    if !later.isEmpty || part.part > 0 { list.unusable = [] }
    list.cases = list.cases.enumerated().filter { $0.offset % part.partCount == part.part }.map(\.element)
    var job = self
    // A step that the user has chosen goes before that of the model.
    if let step = model.step, options.step == PredictionOptions().step { job.options.step = step }
    var previous: [Opened] = []
    switch (model.configuration.previousStage, options.previousStageFolder) {
    case (nil, _?):
      throw Failure(
        .usage, "segmentations of a previous stage were given, but this model takes none", file: modelFolder,
        hint: "leave out -prev_stage_predictions")
    case (_?, let folder?):
      guard Path.isFolder(folder) else {
        throw Failure(
          .missingInput, Path.exists(folder) ? "is not a folder" : "does not exist", file: folder,
          hint: "-prev_stage_predictions takes the folder with the previous stage's segmentations")
      }
      guard !Path.isSame(folder, outputFolder) else {
        throw Failure(
          .usage, "the segmentations would replace those of the previous stage", file: folder,
          hint: "choose another output folder with -o")
      }
    case (let stage?, nil):
      let first = try previousStage(stage, of: model)
      let chain = later + [modelFolder]
      guard !chain.contains(first.modelFolder) else {
        throw Failure(.badInput, "the stages of the cascade wait for each other in a circle", file: modelFolder)
      }
      job.options.previousStageFolder = first.outputFolder
      previous = [try first.open(asStageOf: chain)]
    default: break
    }
    try refuseOverwriting(list.cases, ending: model.dataset.fileEnding)
    return Opened(job: job, model: model, cases: list, previous: previous)
  }

  private func findCases(ending: String) throws -> CaseList {
    guard !everyFileIsACase else { return try CaseList.findSingleFiles(at: input, ending: ending) }
    var list = try CaseList.find(at: input, ending: ending)
    if Path.isSame(input, outputFolder) {
      // What an earlier run has made of the cases lies among them.
      let results = Set(list.cases.map { $0.identifier + ending })
      list.unusable.removeAll { results.contains(Path.split($0).name) }
    }
    return list
  }

  /// In one folder for images and labels, `scan.nii.gz` (no channel suffix) and `a_0000.nii.gz` (of the case `a`, while
  /// there is a case `a_0000`) would be replaced by segmentations.
  private func refuseOverwriting(_ cases: [CaseFiles], ending: String) throws {
    let outputs = cases.map { Path.join(outputFolder, $0.identifier + ending) }
    guard let path = Path.firstOverwriting(cases.flatMap(\.images), among: outputs) else { return }
    throw Failure(
      .usage, "a segmentation would replace the image", file: path, hint: "choose another output folder with -o")
  }

  private static func folder(ofStage stage: String, of model: TrainedModel, beside folder: String) throws -> String {
    let (parent, name) = Path.split(folder)
    if let recorded = try model.configuration.recordedPreviousModel { return Path.join(parent, recorded.description) }
    let parts = name.split(separator: "__", omittingEmptySubsequences: false)
    // <Trainer>__<Plans>__<Configuration>: only the last part differs.
    guard model.isLegacy else {
      return Path.join(parent, "\(parts.dropLast().joined(separator: "__"))__\(stage)")
    }
    // <Configuration>/<Task>/<Trainer>__<Plans>, with the default trainer.
    let (configurations, task) = Path.split(parent)
    let plans = parts.dropFirst().joined(separator: "__")
    return Path.join(
      Path.join(Path.join(Path.split(configurations).folder, stage), task), "nnUNetTrainerV2__\(plans)")
  }

  /// The job that predicts the previous stage of a cascade with the model beside this one.
  private func previousStage(_ stage: String, of model: TrainedModel) throws -> PredictionJob {
    let folder = try Self.folder(ofStage: stage, of: model, beside: modelFolder)
    guard Path.isFolder(folder) else {
      throw Failure(
        .missingInput,
        "\(model.configuration.name) is the second stage of a cascade and needs the segmentations of \(stage)",
        file: modelFolder,
        // A file lies anywhere; nothing beside it is known to be the first stage.
        hint: "give their folder with -prev_stage_predictions"
          + (ExportedModel.isModelFile(modelFolder) ? "" : ", or put the trained model at \(folder)"))
    }
    var job = self
    job.modelFolder = folder
    job.modelDescription = nil
    if model.isLegacy { job.folds = LegacyModel.availableFolds(folder: folder, checkpoint: checkpoint) }
    job.outputFolder = Path.join(outputFolder, "\(stage)_predictions")
    job.options.saveProbabilities = false
    return job
  }
}

extension PredictionJob.Opened {
  /// Creates the output folder, writes nnU-Net's side files and segments every case.
  ///
  /// - Parameter report: receives what happens; called from several threads, one at a time.
  public func run(
    on engine: any Engine, report: @escaping @Sendable (PredictionEvent) -> Void
  ) throws -> PredictionRun.Summary {
    try Path.makeFolder(job.outputFolder)
    var summary = PredictionRun.Summary()
    for stage in previous { summary.failures += try stage.run(on: engine, report: report).failures }
    // A case that failed in an earlier stage was reported there, and what an older run left of it must not be used.
    let lost = Set(summary.failures.map(\.identifier))
    try writeSideFiles()
    for path in cases.unusable {
      let failure = Failure(
        .badInput, "the name lacks a channel suffix", file: path,
        hint: "rename it to <case>_0000\(model.dataset.fileEnding)")
      let name = Path.split(path).name
      report(.failed(identifier: name, failure: failure))
      summary.failures.append(PredictionRun.CaseFailure(identifier: name, failure: failure))
    }
    let run = PredictionRun(
      model: model, engine: engine, outputFolder: job.outputFolder, options: job.options, report: report)
    let left = cases.cases.filter { !lost.contains($0.identifier) }
    report(.stage(configuration: model.configuration.name, cases: left.count))
    let predicted = try run.run(left)
    summary.finished = predicted.finished
    summary.skipped = predicted.skipped
    summary.failures += predicted.failures
    return summary
  }

  /// `plans.json`, `dataset.json` and `predict_from_raw_data_args.json`, which nnU-Net's later steps look for.
  private func writeSideFiles() throws {
    let options = job.options
    let record: JSONObject = [
      "folder_with_segs_from_prev_stage": options.previousStageFolder.map(JSON.string) ?? .null,
      "list_of_lists_or_source_folder": .string(job.input),
      "num_parts": .int(options.record.partCount),
      "num_processes_preprocessing": .int(options.record.preprocessingProcesses),
      "num_processes_segmentation_export": .int(options.record.exportProcesses),
      "output_folder_or_list_of_truncated_output_files": .string(job.outputFolder),
      "overwrite": .bool(!options.continues),
      "part_id": .int(options.record.part),
      "save_probabilities": .bool(options.saveProbabilities),
    ]
    let files = [
      ("plans.json", model.plans.json), ("dataset.json", model.dataset.json),
      ("predict_from_raw_data_args.json", .object(record)),
    ]
    for (name, json) in files {
      try AtomicFile.write(
        Array(json.text(indent: 4, sortedKeys: name == "predict_from_raw_data_args.json").utf8),
        to: Path.join(job.outputFolder, name))
    }
  }
}
