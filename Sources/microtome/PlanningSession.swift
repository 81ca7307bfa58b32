import Basics
import ImageFormats
import NNUNet

/// The steps from a raw dataset to preprocessed cases, each with what the user is told about it.
struct PlanningSession {
  let dataset: RawDataset
  /// The preprocessed dataset's folder.
  let folder: String
  private let showsProgress: Bool
  private let isVerbose: Bool

  /// Resolves a dataset's number or name and looks at its raw folder.
  init(_ nameOrNumber: String, reading: ReadingArguments) throws {
    let roots = DatasetRoots { Environment[$0] }
    let name = try roots.dataset(nameOrNumber)
    dataset = try RawDataset(path: Path.join(roots.raw(), name)) { Environment[$0] }
    folder = Path.join(try roots.preprocessed(), name)
    showsProgress = !reading.hidesProgress && Console.isInteractive
    isVerbose = reading.verbose
    Console.print("\(name): \(dataset.cases.count) training cases")
  }

  /// Checks the dataset. Throws `badInput` after having named every problem.
  func verify(limit: Int?) throws {
    var clock = Stopwatch()
    let report = try DatasetIntegrity(of: dataset, reader: dataset.reader(), limit: limit) { done, total in
      progress("checking", done, total)
    }
    clearProgress()
    for warning in report.warnings { Console.error("warning: \(warning)") }
    for problem in report.problems { Console.error("problem: \(problem)") }
    guard report.problems.isEmpty else {
      throw Failure(
        .badInput, "the dataset has \(report.problems.count) problem(s), listed above", file: dataset.path)
    }
    Console.print("integrity: nothing is wrong, checked in \(clock.lap().duration)")
  }

  /// The fingerprint, extracted unless there is one and it is to be kept.
  func fingerprint(_ arguments: FingerprintArguments, limit: Int?) throws -> DatasetFingerprint {
    if arguments.verifies { try verify(limit: limit) }
    let path = Path.join(folder, DatasetFingerprint.fileName)
    if Path.exists(path), !arguments.isClean {
      let fingerprint = try DatasetFingerprint.read(path)
      Console.print("fingerprint: kept \(path)")
      if fingerprint.shapes.count != dataset.cases.count {
        Console.error(
          "warning: the fingerprint describes \(fingerprint.shapes.count) cases, the dataset has "
            + "\(dataset.cases.count); --clean extracts it again")
      }
      return fingerprint
    }
    var clock = Stopwatch()
    let fingerprint = try DatasetFingerprint.extract(from: dataset, reader: dataset.reader(), limit: limit) {
      progress("fingerprint", $0, $1)
    }
    clearProgress()
    try Path.makeFolder(folder)
    try fingerprint.write(to: path)
    Console.print("fingerprint: \(clock.lap().duration) -> \(path)")
    return fingerprint
  }

  /// Plans and writes the plans. Returns their name.
  func plan(_ fingerprint: DatasetFingerprint, _ arguments: PlannerArguments) throws -> String {
    let preset = try PlannerPreset.named(arguments.planner)
    let planner = try ExperimentPlanner(
      preset: preset, options: arguments.options, datasetName: dataset.name, dataset: dataset.description.json,
      fingerprint: fingerprint, reader: dataset.reader())
    if arguments.plansName == nil, arguments.memoryTarget != nil || !arguments.targetSpacing.isEmpty {
      Console.error(
        "warning: plans with options of your own replace the standard \(planner.plansName); "
          + "give them a name with -overwrite_plans_name")
    }
    if preset.sharesData, !arguments.targetSpacing.isEmpty {
      Console.error(
        "warning: \(preset.name) keeps its preprocessed data where the standard plans do; "
          + "with another spacing one of the two must be preprocessed again before training")
    }
    let plans = try planner.plan()
    try PlansFile.copyDescription(of: dataset, to: folder)
    try PlansFile.write(plans, folder: folder)
    Console.print("plans: \(Path.join(folder, planner.plansName + ".json"))")
    for (name, configuration) in plans["configurations"]?.object?.members ?? [] {
      if let text = Self.summary(configuration) { Console.print("  \(name): \(text)") }
    }
    return planner.plansName
  }

  private static func summary(_ configuration: JSON) -> String? {
    if let stage = configuration["previous_stage"]?.string { return "after \(stage)" }
    guard let patch = configuration["patch_size"]?.ints, let batch = configuration["batch_size"]?.int,
      let spacing = configuration["spacing"]?.doubles
    else { return nil }
    return "patch \(patch.map(String.init).joined(separator: "x")), batch \(batch), spacing "
      + "\(spacing.map { $0.decimals(3) }.joined(separator: " x ")) mm"
  }

  /// Preprocesses the dataset for configurations of its plans.
  func preprocess(plans plansName: String, _ arguments: PreprocessingArguments) throws {
    let path = Path.join(folder, plansName + ".json")
    guard Path.exists(path) else {
      let found = PlansFile.names(in: folder)
      throw Failure(
        .missingInput, "does not exist", file: path,
        hint: found.isEmpty ? "plan first: microtome plan -d DATASET" : "there are \(found.joined(separator: ", "))")
    }
    let run = PreprocessingRun(
      dataset: dataset, plans: try Plans.read(path), folder: folder, configurations: arguments.chosenConfigurations)
    var clock = Stopwatch()
    let showsEach = isVerbose
    try run.run(limit: arguments.limit) { event in
      switch event {
      case .skipped(let configuration): Console.print("note: the plans have no configuration \(configuration)")
      case .finished(let identifier, let done, let total):
        if showsEach {
          Console.print("[\(done)/\(total)] \(identifier)")
        } else {
          progress("preprocessing", done, total)
        }
      case .failed(let identifier, let failure): Console.error("\(identifier): failed: \(failure)")
      case .warning(let text): Console.error("warning: \(text)")
      }
    }
    clearProgress()
    Console.print("preprocessed in \(clock.lap().duration) -> \(folder)")
  }

  private func progress(_ what: String, _ done: Int, _ total: Int) {
    if showsProgress { Console.transient("\(what): \(done)/\(total)") }
  }

  private func clearProgress() {
    if showsProgress { Console.clearTransient() }
  }
}
