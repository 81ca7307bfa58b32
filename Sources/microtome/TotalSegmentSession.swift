import Basics
import Engines
import TotalSegmentator

/// One run of a task: checks the options, picks the engine, runs the cases and tells the user how it goes.
struct TotalSegmentSession {
  let arguments: TotalSegmentArguments

  func run() throws {
    Interruption.watch()
    guard let input = arguments.input else {
      throw Failure(.usage, "no image was given", hint: "-i takes a NIfTI file or a folder of them")
    }
    try checkOutput()
    let cases = try TaskCase.find(
      at: input, output: arguments.output, isMultilabel: arguments.isMultilabel, statistics: arguments.statistics,
      savesSegmentation: !arguments.skipsSaving)
    let catalogue = try arguments.catalogue()
    let folders = TotalSegmentatorFolders(weights: arguments.weightsFolder)
    try checkLicense(catalogue, folders)
    let engine = try arguments.engine.makeEngine()
    let progress = TaskProgress(
      caseCount: cases.count, isQuiet: arguments.isQuiet, isVerbose: arguments.isVerbose)
    let run = try TaskRun(
      weights: WeightStore(catalogue: catalogue, folders: folders), engine: engine, options: options(engine),
      output: output, report: progress.report)
    var clock = Stopwatch()
    let summary = try run.run(cases)
    progress.summarize(summary, seconds: clock.lap())
    if let first = summary.failures.first {
      // Each failure was reported when it happened; the first decides the exit code.
      throw Failure(first.failure.kind, "\(summary.failures.count) of \(cases.count) cases failed")
    }
  }

  private func checkOutput() throws {
    let types = arguments.outputTypes.flatMap { $0.split(separator: ",").map(String.init) }
    if let other = types.first(where: { $0 != "nifti" }) {
      throw Failure(.usage, "the output type \(other) is not available", hint: "results are written as nifti")
    }
    if arguments.output == nil, !arguments.skipsSaving || (arguments.statistics?.isEmpty ?? false) {
      throw Failure(
        .usage, "no output was given", hint: "-o takes a folder for the masks, or a file together with --ml")
    }
  }

  private func checkLicense(_ catalogue: TaskCatalogue, _ folders: TotalSegmentatorFolders) throws {
    let configuration = LicenseConfiguration(folders: folders)
    if let number = arguments.license { try configuration.store(number) }
    let task = try catalogue.task(named: arguments.task)
    guard task.needsLicense else { return }
    _ = try configuration.requiredNumber(for: "the task \(task.name)", from: catalogue.license)
  }

  private var output: TaskRun.Output {
    var output = TaskRun.Output()
    output.statistics.average = arguments.average
    output.statistics.includesIncomplete = arguments.includesIncomplete
    output.statistics.isExtended = arguments.hasExtraStatistics
    output.derivesMasks = !arguments.skipsDerivedMasks
    return output
  }

  private func options(_ engine: any Engine) throws -> TaskOptions {
    var options = TaskOptions()
    options.task = arguments.task
    options.fast = arguments.fast
    options.fastest = arguments.fastest
    options.usesSmallModel = arguments.modelSize == .small
    options.subset = arguments.robustSubset.isEmpty ? arguments.subset : arguments.robustSubset
    options.robustCrop = arguments.robustCrop || !arguments.robustSubset.isEmpty
    options.cropsToBody = arguments.cropsToBody
    options.forcesSplit = arguments.forcesSplit
    options.resampling =
      arguments.higherOrder ? .byNetwork : arguments.legacyHigherOrder ? .smoothLabels : .standard
    options.resamplingOrder = arguments.resamplingOrder
    options.smallBlobVolume = arguments.smallBlobVolume
    // The networks' own resampling leaves no other grid to stay on.
    options.keepsModelGrid = arguments.keepsModelGrid && !arguments.higherOrder
    options.usesLegacyOrder = arguments.usesLegacyOrder
    options.probabilitiesPath = arguments.probabilities
    options.compile = arguments.engine.compileOptions(
      device: try arguments.engine.device(arguments.device, of: engine))
    return options
  }
}
