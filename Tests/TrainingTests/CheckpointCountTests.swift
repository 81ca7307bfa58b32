import Basics
import Checkpoints
import Engines
import Networks
import TestSupport
import Testing

@testable import Training

/// Numbers in checkpoints that no training has written.
@Suite struct CheckpointCountTests {
  /// A checkpoint of a network without a past, in which `change` replaces entries.
  private func read(_ task: TrainingTask, _ change: [(String, PickleValue)]) throws -> TrainingCheckpoint {
    let folder = try TemporaryFolder()
    let path = folder("checkpoint.pth")
    let checkpoint = TrainingCheckpoint(
      parameters: try ParameterInitialization.parameters(of: task.graph, seed: 1), optimizer: OptimizerState(),
      lossScale: nil, history: TrainingHistory(), bestDice: nil, epoch: 3,
      position: TrainingCheckpoint.Position(seed: 7), trainerName: "nnUNetTrainer", mirrorAxes: nil)
    let origin = TrainingCheckpoint.Origin(
      plans: .null, dataset: .null, configuration: "tiny", fold: "0", rule: task.variant.rule(rate: 0.01),
      normFollowsActivation: false)
    try checkpoint.write(to: path, graph: task.graph, origin: origin, rate: 0.01)
    guard case .dictionary(var root) = try TorchCheckpoint.open(path).root else {
      throw Failure(.internalError, "a checkpoint is no dictionary")
    }
    for (key, value) in change { try root.set(.string(key), value) }
    try TorchFileWriter.write(.dictionary(root), to: path)
    do {
      return try TrainingCheckpoint.read(path, graph: task.graph)
    } catch let failure as Failure {
      #expect(failure.file == path && failure.kind == .badInput)
      throw failure
    }
  }

  private func state(step: PickleValue) -> (String, PickleValue) {
    let parameter = PickleValue.dictionary(PickleDictionary([("step", step)]))
    var parameters = PickleDictionary()
    #expect(throws: Never.self) { try parameters.set(.int(0), parameter) }
    return ("optimizer_state", .dictionary(PickleDictionary([("state", .dictionary(parameters))])))
  }

  private func tensor(_ value: Float) throws -> PickleValue { .tensor(try Tensor(floats: [value], shape: [])) }

  @Test func stepsAreCounts() throws {
    let task = try TinyTask.task()
    let name = try #require(task.graph.parameters.first { $0.role.isTrained }?.name)
    #expect(try read(task, [state(step: .int(5))]).optimizer.steps == [name: 5])
    #expect(try read(task, [state(step: tensor(12))]).optimizer.steps == [name: 12])
    for value: Float in [.nan, .infinity, 1e30, -1, 0.5] {
      #expect(throws: Failure.self) { try read(task, [state(step: tensor(value))]) }
    }
    for value in [PickleValue.int(.max), .int(-1), .int(1 << 40 + 1), .none, .string("many")] {
      #expect(throws: Failure.self) { try read(task, [state(step: value)]) }
    }
  }

  @Test func positionsAreCounts() throws {
    let task = try TinyTask.task()
    func position(_ changes: [(String, PickleValue)]) -> (String, PickleValue) {
      ("microtome_position", .dictionary(PickleDictionary([("seed", .int(-1))] + changes)))
    }
    let found = try read(task, [position([("training_batches", .int(1 << 40)), ("iteration", .int(4))])]).position
    #expect(found?.seed == .max && found?.trainingBatches == 1 << 40 && found?.iteration == 4)
    #expect(found?.validationBatches == 0)
    for key in ["training_batches", "validation_batches", "iteration"] {
      for value in [PickleValue.int(.max), .int(-1), .float(.nan), .float(1e300)] {
        #expect(throws: Failure.self) { try read(task, [position([(key, value)])]) }
      }
    }
    #expect(try read(task, []).epoch == 3)
    #expect(throws: Failure.self) { try read(task, [("current_epoch", .int(.max))]) }
  }

  @Test func lossScalesGoOnFromAnyCount() throws {
    let pickled = PickleValue.dictionary(
      PickleDictionary([("scale", .float(8)), ("growth_interval", .int(3)), ("_growth_tracker", .int(.max))]))
    var scale = try #require(LossScale(pickled: pickled))
    scale.follow(isFinite: true)
    #expect(scale.scale == 16)
  }
}
