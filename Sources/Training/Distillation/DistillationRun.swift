import Basics
import Engines
import Imaging
import Inference
import NNUNet
import Networks

/// A whole distillation: teachers, a student's plans, its training, the final validation, and the report.
///
/// The student is an ordinary nnU-Net model folder: its plans describe it, and its checkpoints name a trainer that nnU-Net
/// has.
public struct DistillationRun {
  public let options: DistillationOptions
  public private(set) var training: TrainingRun
  public let teachers: Teachers?
  private let resultsFolder: String
  private let record: DistillationRecord

  /// Looks everything up, and chooses the student where a budget asks for that.
  ///
  /// - Parameters:
  ///   - engine: the one that will run the student, for budgets of seconds.
  ///   - note: hears what was decided.
  /// - Throws: as `TrainingRun`; `usage` for parameters that make no sense, a budget that cannot be met, and a folder that
  ///   holds a run with other parameters; as `Teachers.load`.
  public init(
    _ options: DistillationOptions, roots: DatasetRoots, engine: () throws -> any Engine,
    note: (String) -> Void = { _ in }
  ) throws {
    try options.validate()
    var options = options
    if let budget = options.budget {
      let whole = try Self.training(options, StudentDesign(reduction: 1), roots)
      if options.training.continues || options.training.onlyValidates,
        let features = DistillationRecord.features(in: whole.foldFolder)
      {
        // Seconds measured anew could choose another student, with which the run could not go on.
        options.design = options.design.having(features: features, of: whole.task.network)
        note("the student is the one that the run began with; the budget of \(budget) is only reported on")
      } else {
        let choice = try Self.choose(budget, options, whole, engine)
        options.design.reduction = choice.reduction
        note(
          "a reduction of \(choice.reduction) is expected to cost \(choice.expected.brief) \(budget.quantity.rawValue) "
            + "of the budget of \(budget)")
      }
    }
    training = try Self.training(options, options.design, roots)
    resultsFolder = Path.split(training.modelFolder).folder
    if options.needsTeachers || !options.teacherFolders.isEmpty {
      let configuration = options.training.configuration
      let usual = Path.join(resultsFolder, "nnUNetTrainer__\(options.teacherPlans)__\(configuration)")
      teachers = try Teachers.load(
        folders: options.teacherFolders.isEmpty ? [usual] : options.teacherFolders, folds: options.teacherFolds,
        checkpoint: options.teacherCheckpoint, for: training.task)
    } else {
      teachers = nil
    }
    options.beginning = Self.beginning(options, training, teachers)
    record = DistillationRecord(options, training: training, teachers: teachers)
    try record.check(
      modelFolder: training.modelFolder, foldFolder: training.foldFolder,
      continues: options.training.continues || options.training.onlyValidates)
    training.arguments = options.checkpointArguments(teachers: teachers)
    self.options = options
  }

  private static func beginning(
    _ options: DistillationOptions, _ training: TrainingRun, _ teachers: Teachers?
  ) -> DistillationOptions.Beginning {
    if let wanted = options.beginning { return wanted }
    if training.options.continues || training.options.onlyValidates,
      let before = DistillationRecord.beginning(in: training.foldFolder)
    {
      return before
    }
    guard options.alpha > 0, let teacher = teachers?.networks.first else { return .random }
    return teacher.graph.canNarrow(to: training.task.graph) ? .teacher : .random
  }

  private static func training(
    _ options: DistillationOptions, _ design: StudentDesign, _ roots: DatasetRoots
  ) throws -> TrainingRun {
    try TrainingRun(
      options.training, roots: roots, trainerFolder: options.trainerFolder, firstStages: options.firstStages
    ) { plans in try design.apply(to: plans, configuration: options.training.configuration) }
  }

  /// How training is compiled for, and where the final validation runs, which has options of its own.
  public mutating func setCompileOptions(_ compile: CompileOptions, validationDevice: String = "CPU") {
    training.options.compile = compile
    training.options.inference.device = validationDevice
  }

  // MARK: Running

  /// Trains, if there is anything to train, validates and reports.
  ///
  /// Parameters as for `TrainingRun.run`. The report lies in the fold's folder too.
  public mutating func run(
    trainingEngine: () throws -> any TrainingEngine, inferenceEngine: () throws -> any Engine,
    report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> DistillationReport {
    let lock = try training.lockFold(report)
    defer { lock.release() }
    let engine = try inferenceEngine()
    if options.training.onlyValidates {
      let path = training.checkpointPath(CheckpointName.final)
      guard Path.isFile(path) else {
        throw Failure(.missingInput, "there is no finished training to validate", file: path)
      }
    } else {
      let trainer = try trainingEngine()
      try training.prepareFolders()
      try record.write(to: training.foldFolder)
      let onCPU = training.options.compile.device == "CPU"
      try guide(engine: onCPU ? engine : trainer, report)
      inherit(report)
      try training.train(trainer, report)
      training.guidance = Shared(nil)
    }
    return try judge(engine, report)
  }

  /// Lets the student begin as a part of the first teacher, if that is asked for and no checkpoint is gone on from.
  private mutating func inherit(_ report: @escaping @Sendable (TrainingEvent) -> Void) {
    guard options.beginning == .teacher, let teacher = teachers?.networks.first else { return }
    let graph = training.task.graph
    training.inherited = {
      report(.note("the student begins with the first teacher's most important channels"))
      return try teacher.narrowed(to: graph)
    }
  }

  /// Readies the teachers, unless they have no say.
  private mutating func guide(
    engine: any Engine, _ report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws {
    guard let teachers, options.alpha > 0 else { return }
    let task = training.task
    let patch = task.configuration.patchSize
    let ensemble = try TeacherEnsemble(
      teachers.networks, engine: engine, inputShape: [task.network.inputChannels] + patch,
      options: engine is any TrainingEngine ? training.options.compile : training.options.inference,
      passes: task.batchSize)
    let share = "alpha \(options.alpha.brief), temperature \(options.temperature.brief)"
    report(
      .note(
        "\(teachers.networks.count) teacher network(s) of \(teachers.models.map(\.path).joined(separator: ", ")), "
          + "\(share), \(ensemble.engineName)"))
    for note in ensemble.notes { report(.note("teachers: \(note)")) }
    var answers: TeacherAnswers?
    if let pool = options.training.batchPool {
      let count = task.batchSize * task.meaning.channelCount * patch.reduce(1, *)
      let folder = Path.join(Path.join(resultsFolder, "teacher_answers"), teachers.fingerprint)
      answers = try TeacherAnswers(folder: folder, count: count) { report(.warning($0)) }
      report(
        .note(
          "\(pool) batches are used again and again; what the teachers say about them is kept in \(folder), "
            + "\((Double(2 * count * pool) / 0x1p20).brief) MiB in all"))
    }
    training.guidance = Shared(
      try TeacherGuidance(
        task: task, alpha: options.alpha,
        loss: DistillationLoss(meaning: task.meaning, temperature: options.temperature, mean: options.mean),
        teachers: ensemble, answers: answers, allLevels: options.guidesAllLevels))
  }
}

// MARK: - What a student costs and is worth

extension DistillationRun {
  /// Passes of the typical validation case with all its mirrorings.
  private static func passes(_ run: TrainingRun) throws -> (typical: Int, all: Int) {
    let task = run.task
    let axes = run.options.mirrorsValidation ? task.geometry.inferenceMirrorAxes?.count ?? 0 : 0
    let counts = try run.split.validation.map { identifier in
      TileGrid(image: try run.cases.open(identifier).shape, patch: task.configuration.patchSize, step: 0.5).count
        << axes
    }
    return (counts.sorted()[counts.count / 2], counts.reduce(0, +))
  }

  private static func choose(
    _ budget: DistillationBudget, _ options: DistillationOptions, _ whole: TrainingRun,
    _ engine: () throws -> any Engine
  ) throws -> DistillationBudget.Choice {
    let task = whole.task
    let passes = try passes(whole)
    let shape = [1, task.network.inputChannels] + task.configuration.patchSize
    var compile = options.training.inference
    compile.expectedPasses = passes.all
    return try budget.choose(
      options.design, of: task.network, inputShape: shape, passes: passes.typical
    ) { graph in
      let network = try Network(graph: graph, weights: ParameterInitialization.parameters(of: graph, seed: 1))
      let compiled = try engine().compile(network, inputShape: shape, options: compile)
      // What else the machine does disturbs one measurement, seldom two of three.
      return try (0..<3).map { _ in try PredictionEstimate.secondsPerPass(compiled) }.sorted()[1]
    }
  }

  /// Lets student and teachers segment the fold's validation cases.
  private func judge(
    _ engine: any Engine, _ report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> DistillationReport {
    let (summary, student) = try figures(of: nil, output: nil, engine, report)
    var result = DistillationReport(
      labels: summary.items.filter { $0.labels != [0] }.map { name(of: $0) }, cases: summary.cases.count,
      student: student)
    if options.judgesTeachers, let joined = teachers?.joined {
      report(.note("the teachers segment the same cases"))
      let output = Path.join(training.foldFolder, "validation_teacher")
      result.teachers = try figures(of: joined, output: output, engine, report).figures
      let strangers = joined.folds.filter { $0 != training.options.fold }
      if !strangers.isEmpty {
        result.remarks.append(
          "teacher fold \(strangers.joined(separator: ", ")) may have been trained on these cases, which flatters the "
            + "teacher")
      }
    }
    if training.options.foldRotation != nil {
      result.remarks.append("folds were rotated: the student was trained on these cases too, which flatters it")
    }
    if let budget = options.budget {
      result.budget = budget
      result.budgetSpent =
        try budget.quantity == .seconds
        ? student.secondsPerCase
        : budget.value(
          training.task.network.makeGraph(),
          inputShape: [1, training.task.network.inputChannels]
            + training.task.configuration.patchSize, passes: Self.passes(training).typical, secondsPerPass: { _ in 0 })
    }
    result.smallestDice = options.smallestDice
    try result.write(to: training.foldFolder)
    return result
  }

  /// - Parameters:
  ///   - model: nil for the student.
  ///   - output: where its segmentations go; nil for `validation`.
  private func figures(
    of model: TrainedModel?, output: String?, _ engine: any Engine,
    _ report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> (summary: SegmentationSummary, figures: DistillationReport.Figures) {
    let task = training.task
    let seconds = SecondsSum()
    let meter = MemoryMeter()
    let summary = try training.validate(engine, report) { validation in
      validation.model = model
      validation.output = output
      validation.timed = { seconds.add($0) }
    }
    let peak = meter.peak
    let patch = model?.configuration.patchSize ?? task.configuration.patchSize
    let graphs = try model?.networks.map(\.graph) ?? [task.network.makeGraph()]
    let costs = try graphs.map { try $0.cost(forInput: [1, task.network.inputChannels] + patch) }
    let operations = Double(costs.reduce(0) { $0 + $1.operations }) / 1e9
    let axes =
      training.options.mirrorsValidation
      ? model?.mirrorAxes.count ?? task.geometry.inferenceMirrorAxes?.count ?? 0 : 0
    let tiles = try training.split.validation.reduce(0) { sum, identifier in
      sum + TileGrid(image: try training.cases.open(identifier).shape, patch: patch, step: 0.5).count
    }
    let scored = zip(summary.items, summary.means).filter { $0.0.labels != [0] }
    return (
      summary,
      DistillationReport.Figures(
        dice: scored.map(\.1.dice), meanDice: summary.foregroundDice,
        parameters: costs.reduce(0) { $0 + $1.parameters }, gigaflopPerPatch: operations,
        gigaflopPerCase: operations * Double(tiles << axes) / Double(max(1, training.split.validation.count)),
        secondsPerCase: seconds.total / Double(max(1, summary.cases.count)), peakMemory: peak)
    )
  }

  private func name(of item: EvaluatedLabels.Item) -> String {
    training.task.dataset.labels.foreground.first { $0.labels == item.labels }?.name ?? item.key
  }
}

/// Seconds added up on another thread.
private final class SecondsSum: @unchecked Sendable {
  private(set) var total = 0.0
  /// Called by one thread at a time.
  func add(_ seconds: Double) { total += seconds }
}
