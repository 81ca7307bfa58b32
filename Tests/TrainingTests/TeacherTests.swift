import Basics
import Checkpoints
import Engines
import Imaging
import NNUNet
import Networks
import TestSupport
import Testing

@testable import Training

/// Teachers within a training, without files of models.
@Suite struct TeacherTests {
  private func network(_ task: TrainingTask, seed: UInt64) throws -> Network {
    let graph = try task.network.makeGraph()
    return try Network(graph: graph, weights: ParameterInitialization.parameters(of: graph, seed: seed))
  }

  private func ensemble(_ task: TrainingTask, _ seeds: [UInt64]) throws -> TeacherEnsemble {
    try TeacherEnsemble(
      seeds.map { try network(task, seed: $0) }, engine: ReferenceEngine(),
      inputShape: Array(task.inputShape.dropFirst()), options: CompileOptions(), passes: task.batchSize)
  }

  private func answer(_ teachers: TeacherEnsemble, _ task: TrainingTask, _ images: [Float]) throws -> [Float] {
    var answers = [Float](repeating: 0, count: task.batchSize * task.meaning.channelCount * task.geometry.patch.count)
    try images.withUnsafeBufferPointer { images in
      try answers.withUnsafeMutableBufferPointer { try teachers.answer(images, into: $0) }
    }
    return answers
  }

  @Test func meansOfLogitsWhateverTheOrder() throws {
    let task = try TinyTask.task()
    let images = (0..<task.inputShape.reduce(1, *)).map { Float(sine(Double($0))) }
    let alone = try [1, 2].map { try answer(ensemble(task, [$0]), task, images) }
    let both = try answer(ensemble(task, [1, 2]), task, images)
    #expect(both == zip(alone[0], alone[1]).map { ($0 + $1) / 2 })
    #expect(try answer(ensemble(task, [2, 1]), task, images) == both)
  }

  private func trainer(
    _ task: TrainingTask, folder: String, answers: String?, alpha: Double = 0.5, allLevels: Bool = true,
    from checkpoint: TrainingCheckpoint? = nil, report: @escaping (TrainingEvent) -> Void = { _ in },
    warn: @escaping (String) -> Void = { _ in }
  ) throws -> (Trainer, TeacherAnswers?) {
    var length = TrainingLength(epochs: 3)
    (length.iterationsPerEpoch, length.validationIterations, length.saveEvery) = (4, 1, 1)
    let parameters = try checkpoint?.parameters ?? ParameterInitialization.parameters(of: task.graph, seed: 11)
    let network = try ReferenceEngine().makeTrainable(task.graph, parameters: parameters, options: CompileOptions())
    if let checkpoint { try network.restore(parameters: parameters, momenta: checkpoint.momenta) }
    let trainer = try Trainer(
      task: task, length: length, network: network, folder: folder, fold: "0", checkpoint: checkpoint, seed: 11,
      report: report)
    let count = task.batchSize * task.meaning.channelCount * task.geometry.patch.count
    let kept = try answers.map { try TeacherAnswers(folder: $0, count: count, warn: warn) }
    trainer.guidance = try TeacherGuidance(
      task: task, alpha: alpha, loss: DistillationLoss(meaning: task.meaning, temperature: 2),
      teachers: ensemble(task, [5, 6]), answers: kept, allLevels: allLevels)
    trainer.pool = answers == nil ? nil : 5
    return (trainer, kept)
  }

  private func run(_ trainer: Trainer) throws {
    let cases = TinyTask.cases(3)
    try trainer.run(training: Array(cases[..<2]), validation: [cases[2]], previous: nil, workers: 2)
  }

  /// With and without kept answers, a run that goes on ends where it would have ended.
  @Test(arguments: [false, true]) func goingOnChangesNothing(pooled: Bool) throws {
    let (whole, rest) = (try TemporaryFolder(), try TemporaryFolder())
    let task = try TinyTask.task()
    let answers = pooled ? whole("answers") : nil
    var running: Trainer?
    let (first, kept) = try trainer(task, folder: whole.path, answers: answers) { event in
      if case .advanced(1, _, 3, _, _, _) = event { try? running?.save(as: "within.pth", rate: 0.01) }
    }
    running = first
    try run(first)
    running = nil
    if let kept { #expect(kept.asked == 5 && kept.found == 7) }
    let middle = try TrainingCheckpoint.read(whole("within.pth"), graph: task.graph)
    let (second, found) = try trainer(task, folder: rest.path, answers: answers, from: middle)
    try run(second)
    if let found { #expect(found.asked == 0 && found.found == 5) }
    let expected = try TrainingCheckpoint.read(whole(CheckpointName.final), graph: task.graph)
    let result = try TrainingCheckpoint.read(rest(CheckpointName.final), graph: task.graph)
    for (name, tensor) in expected.parameters { #expect(result.parameters[name]?.floats() == tensor.floats()) }
    #expect(result.history.trainingLosses == expected.history.trainingLosses)
  }

  /// What a file lacks is asked again instead of being believed.
  @Test func damagedAnswersAreAskedAgain() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    try run(trainer(task, folder: folder.path, answers: folder("answers")).0)
    let path = Path.join(folder("answers"), try Path.list(folder("answers"))[0])
    var bytes = try Path.read(path)
    bytes[10] ^= 1
    try AtomicFile.write(bytes, to: path)
    let (second, answers) = try trainer(task, folder: folder.path, answers: folder("answers"))
    try run(second)
    #expect(answers?.asked == 1)
  }

  /// The folder may be removed during a training, which goes on even where nothing can be kept any more.
  @Test(arguments: [false, true]) func answersMayDisappear(forGood: Bool) throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    let path = folder("answers")
    var warnings: [String] = []
    func warn(_ warning: String) { warnings.append(warning) }
    func remove(_ event: TrainingEvent) {
      guard case .advanced(0, _, 2, _, _, _) = event else { return }
      Path.removeTree(path)
      if forGood { try? AtomicFile.write([1], to: path) }
    }
    let (trainer, answers) = try trainer(
      task, folder: folder.path, answers: path, report: remove, warn: warn)
    try run(trainer)
    #expect(trainer.epoch == 3)
    if forGood {
      #expect(warnings.count == 1 && answers?.asked == 12)
    } else {
      // Five different batches; the two whose answers were removed were asked about again.
      #expect(warnings.isEmpty && answers?.asked == 7)
      #expect(try Path.list(path).count == 5)
    }
  }

  /// A network that only listens to its teachers comes to answer as they do, on every level that is taught.
  @Test(arguments: [false, true]) func learnsFromTeachersAlone(allLevels: Bool) throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    let (trainer, _) = try trainer(task, folder: folder.path, answers: nil, alpha: 1, allLevels: allLevels)
    try run(trainer)
    let losses = trainer.history.trainingLosses
    #expect(losses[2] < losses[0], "\(losses)")
    let name = try #require(try Path.list(folder.path).first { $0.hasPrefix("training_log_") })
    #expect(String(decoding: try Path.read(folder(name)), as: UTF8.self).contains("avg_distill_loss "))
  }

  // MARK: Budgets

  @Test func budgetsAreRead() throws {
    #expect(try DistillationBudget(parsing: "2 s/case") == DistillationBudget(2, .seconds))
    #expect(try DistillationBudget(parsing: "0.5s") == DistillationBudget(0.5, .seconds))
    #expect(try DistillationBudget(parsing: "30 GFLOP") == DistillationBudget(30, .operations))
    #expect(try DistillationBudget(parsing: "200 MB") == DistillationBudget(200, .memory))
    for text in ["", "fast", "2", "-1 s", "0 s", "2 parsecs"] {
      #expect(throws: Failure.self) { try DistillationBudget(parsing: text) }
    }
  }

  @Test func budgetsChooseTheLargestStudentThatFits() throws {
    var network = try TinyTask.task().network
    network.features = [32, 64, 128]
    let shape = [1, 1, 8, 16, 12]
    func cost(_ reduction: Int) throws -> Double {
      try Double(StudentDesign(reduction: reduction).student(of: network).makeGraph().cost(forInput: shape).operations)
    }
    let limit = try 3 * cost(4) / 1e9
    let budget = DistillationBudget(limit * 1.0001, .operations)
    let choice = try budget.choose(
      StudentDesign(), of: network, inputShape: shape, passes: 3, secondsPerPass: { _ in .nan })
    #expect(choice.reduction == 4 && abs(choice.expected - limit) < 1e-9)
    // A made-up machine: as many seconds as there are parameters, a tenth held back.
    var measured = 0
    let timed = try DistillationBudget(Double(network.makeGraph().parameterCount) * 2 / 4 / 0.9, .seconds).choose(
      StudentDesign(), of: network, inputShape: shape, passes: 2
    ) { graph in
      measured += 1
      return Double(graph.parameterCount)
    }
    #expect(timed.reduction == 2 || timed.reduction == 3)
    #expect(measured <= 6)
    let failure = #expect(throws: Failure.self) {
      try DistillationBudget(1e-6, .seconds).choose(
        StudentDesign(), of: network, inputShape: shape, passes: 2, secondsPerPass: { _ in 0.25 })
    }
    #expect(failure?.kind == .usage && failure?.message.contains("0.500 s/case") == true)
  }
}
