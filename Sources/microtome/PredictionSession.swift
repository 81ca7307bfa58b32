import Basics
import Engines
import NNUNet
import Networks

/// One prediction command: picks the engine, runs the job and tells the user how it goes.
struct PredictionSession {
  let modelFolder: String
  let arguments: PredictArguments
  let parts: PartArguments
  /// nnU-Net's own commands succeed on a folder without cases.
  var toleratesNoCases = false
  /// The document that describes a file with a network.
  var modelDescription: String?
  /// Whether images may lack a channel suffix, and never are channels of one case.
  var everyFileIsACase = false

  func run() throws {
    Interruption.watch(hint: Interruption.continuing)
    let opened = try open()
    let engine = try arguments.engine.makeEngine(with: arguments.chosenDevice)
    describe(opened)
    let cases = opened.cases.cases
    guard !cases.isEmpty || !opened.cases.unusable.isEmpty || parts.count > 1 else {
      return try reportNoCases(opened, engine)
    }
    let reporter = ProgressReporter(
      caseCount: cases.count, showsProgress: !arguments.hidesProgress, isVerbose: arguments.verbose)
    var clock = Stopwatch()
    let summary = try opened.run(on: engine, report: reporter.report)
    reporter.summarize(summary, seconds: clock.lap())
    if let first = summary.failures.first {
      let total = summary.finished + summary.skipped + summary.failures.count
      // Each failure was reported when it happened; the first decides the exit code.
      throw Failure(first.failure.kind, "\(summary.failures.count) of \(total) cases failed")
    }
  }

  /// Prints the plan of the run for each case.
  func explain() throws {
    let opened = try open()
    let engine = try arguments.engine.makeEngine(with: arguments.chosenDevice)
    for stage in opened.previous + [opened] {
      try PredictionEstimate(stage, engine: engine).report(Console.print)
    }
  }

  private func open() throws -> PredictionJob.Opened {
    var job = PredictionJob(
      input: arguments.input, outputFolder: arguments.output, modelFolder: modelFolder, folds: arguments.chosenFolds,
      checkpoint: arguments.checkpoint, options: arguments.options(partCount: parts.count, part: parts.part))
    job.modelDescription = modelDescription
    job.everyFileIsACase = everyFileIsACase
    let choosesNetwork = !arguments.folds.isEmpty || arguments.checkpoint != "checkpoint_final.pth"
    guard !choosesNetwork || !ExportedModel.isModelFile(modelFolder) else {
      throw Failure(
        .usage, "-f and -chk choose among the networks of a model folder; a file holds one network", file: modelFolder,
        hint: "leave them out")
    }
    if LegacyModel.isLegacy(folder: modelFolder) {
      // nnU-Net v1 has another checkpoint by default, and averages the folds that there are.
      if job.checkpoint == "checkpoint_final.pth" { job.checkpoint = LegacyModel.checkpointName }
      if arguments.folds.isEmpty {
        let folds = LegacyModel.availableFolds(folder: modelFolder, checkpoint: job.checkpoint)
        if !folds.isEmpty { job.folds = folds }
      }
    }
    return try job.open()
  }

  private func describe(_ opened: PredictionJob.Opened) {
    for stage in opened.previous + [opened] {
      let model = stage.model
      let patch = model.configuration.patchSize.map(String.init).joined(separator: "x")
      let mirroring =
        arguments.disableMirroring || model.mirrorAxes.isEmpty
        ? "no mirroring" : "\(1 << model.mirrorAxes.count) mirrorings"
      Console.print(
        "model: \(model.plans.datasetName) \(model.configuration.name) (\(model.trainerName)), "
          + "fold \(model.folds.joined(separator: "+")), \(model.networkName), patch \(patch), \(mirroring)")
      if !model.dataset.labels.hasRegions, !model.dataset.labels.isConsecutive {
        Console.error("warning: the labels are not consecutive; the written values count classes from 0")
      }
    }
    if Environment["nnUNet_extTrainer"] != nil {
      Console.print(
        "note: nnUNet_extTrainer is set but not needed: networks are built from the plans, no trainer code is run")
    }
  }

  private func reportNoCases(_ opened: PredictionJob.Opened, _ engine: any Engine) throws {
    let ending = (everyFileIsACase ? "" : "_0000") + opened.model.dataset.fileEnding
    let message = "there are no cases: no file ends in \(ending)"
    guard toleratesNoCases else { throw Failure(.missingInput, message, file: arguments.input) }
    _ = try opened.run(on: engine) { _ in }
    Console.error("warning: \(arguments.input): \(message)")
  }
}
