import Basics
import Checkpoints
import Engines
import Imaging
import NNUNet
import Networks
import TestSupport
import Testing

@testable import Training

@Suite struct TrainerTests {
  private func length(epochs: Int) -> TrainingLength {
    var length = TrainingLength(epochs: epochs)
    (length.iterationsPerEpoch, length.validationIterations, length.saveEvery) = (6, 2, 1)
    return length
  }

  private func trainer(
    _ task: TrainingTask, _ length: TrainingLength, folder: String, from checkpoint: TrainingCheckpoint? = nil,
    report: @escaping (TrainingEvent) -> Void = { _ in }
  ) throws -> Trainer {
    let parameters = try checkpoint?.parameters ?? ParameterInitialization.parameters(of: task.graph, seed: 11)
    let network = try ReferenceEngine().makeTrainable(task.graph, parameters: parameters, options: CompileOptions())
    if let checkpoint { try network.restore(parameters: parameters, momenta: checkpoint.momenta) }
    return try Trainer(
      task: task, length: length, network: network, folder: folder, fold: "0", checkpoint: checkpoint, seed: 11,
      report: report)
  }

  private func run(_ trainer: Trainer) throws {
    let cases = TinyTask.cases(3)
    try trainer.run(training: Array(cases[..<2]), validation: [cases[2]], previous: nil, workers: 2)
  }

  private func read(_ path: String, _ task: TrainingTask) throws -> TrainingCheckpoint {
    try TrainingCheckpoint.read(path, graph: task.graph)
  }

  @Test func learns() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    var length = length(epochs: 4)
    length.iterationsPerEpoch = 15
    let trainer = try trainer(task, length, folder: folder.path)
    try run(trainer)
    let losses = trainer.history.trainingLosses
    #expect(losses.count == 4)
    #expect(losses[3] < losses[0] - 0.2, "\(losses)")
    let names = try Path.list(folder.path)
    #expect(names.contains("checkpoint_final.pth") && names.contains("checkpoint_best.pth"))
    #expect(names.contains("progress.png") && names.contains { $0.hasPrefix("training_log_") })
    #expect(!names.contains("checkpoint_latest.pth"))
    let log = String(
      decoding: try Path.read(folder(names.first { $0.hasPrefix("training_log_") }!)), as: UTF8.self)
    #expect(log.contains("Epoch 3") && log.contains("Pseudo dice [") && log.contains("Training done."))
  }

  /// Whatever moment training is killed at, going on from the last checkpoint ends where it would have ended.
  @Test func goingOnChangesNothing() throws {
    let (whole, other) = (try TemporaryFolder(), try TemporaryFolder())
    let task = try TinyTask.task()
    var running: Trainer?
    running = try trainer(task, length(epochs: 3), folder: whole.path) { event in
      switch event {
      case .finishedEpoch(let summary) where summary.epoch == 0:
        try? AtomicFile.write(Path.read(whole(CheckpointName.latest)), to: other("after.pth"))
      case .advanced(let epoch, _, let done, _, _, _) where epoch == 1 && done == 4:
        try? running?.save(as: "within.pth", rate: 0.01)
      default: break
      }
    }
    try run(try #require(running))
    let expected = try read(whole(CheckpointName.final), task)
    for path in [other("after.pth"), whole("within.pth")] {
      let folder = try TemporaryFolder()
      try run(try trainer(task, length(epochs: 3), folder: folder.path, from: try read(path, task)))
      let result = try read(folder(CheckpointName.final), task)
      #expect(result.epoch == 3)
      for (name, tensor) in expected.parameters { #expect(result.parameters[name]?.floats() == tensor.floats()) }
      for (name, tensor) in expected.momenta { #expect(result.momenta[name]?.floats() == tensor.floats()) }
      #expect(result.history.trainingLosses == expected.history.trainingLosses)
      #expect(result.history.dice == expected.history.dice)
      #expect(result.bestDice == expected.bestDice)
      #expect(result.position == expected.position)
    }
  }

  @Test func stopsWhenTheLossIsNoNumber() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    try run(try trainer(task, length(epochs: 1), folder: folder.path))
    let before = try Path.read(folder(CheckpointName.best))
    let sick = TinyTask.cases(1).map { data -> MemoryCase in
      var image = data.image
      for index in image.elements.indices { image.elements[index] = .nan }
      return MemoryCase("sick", image: image, marks: data.marks, record: data.properties.record)
    }
    let trainer = try trainer(task, length(epochs: 2), folder: folder.path)
    let failure = #expect(throws: Failure.self) {
      try trainer.run(training: sick, validation: sick, previous: nil, workers: 1)
    }
    #expect(failure?.kind == .badInput)
    #expect(failure?.hint?.contains("checkpoint_best.pth") == true)
    #expect(try Path.read(folder(CheckpointName.best)) == before)
  }

  @Test(arguments: [
    "nnUNetTrainerNoDeepSupervision", "nnUNetTrainerTopk10LossLS01", "nnUNetTrainerNoDA", "nnUNetTrainerDiceLoss",
    "nnUNetTrainer_DASegOrd0", "nnUNetTrainer_probabilisticOversampling_010",
  ])
  func variantsTrain(name: String) throws {
    let folder = try TemporaryFolder()
    let trainer = try trainer(try TinyTask.task(trainer: name), length(epochs: 1), folder: folder.path)
    try run(trainer)
    #expect(trainer.history.trainingLosses[0].isFinite)
  }

  @Test func regionsAndIgnoredVoxelsTrain() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task(
      labels: #"{"background": 0, "whole": [1, 2], "b": 2, "ignore": 3}, "regions_class_order": [1, 2]"#, planar: true)
    #expect(task.meaning.channelCount == 2)
    let trainer = try trainer(task, length(epochs: 1), folder: folder.path)
    try run(trainer)
    #expect(trainer.history.dice[0].count == 2)
  }

  @Test func checkpointsOfOtherNetworksAreRefused() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    try run(try trainer(task, length(epochs: 1), folder: folder.path))
    let other = try TinyTask.task(stages: 2)
    #expect(throws: Failure.self) { try read(folder(CheckpointName.final), other) }
    let fresh = try ParameterInitialization.parameters(of: task.graph, seed: 99)
    let pretrained = try TrainingCheckpoint.pretrained(folder(CheckpointName.final), graph: task.graph, fresh: fresh)
    let trained = try read(folder(CheckpointName.final), task).parameters
    for (name, tensor) in pretrained {
      let source = name.contains(".seg_layers.") ? fresh : trained
      #expect(source[name]?.floats() == tensor.floats())
    }
    let wide = try ParameterInitialization.parameters(of: other.graph, seed: 1)
    #expect(throws: Failure.self) {
      try TrainingCheckpoint.pretrained(
        folder(CheckpointName.final), graph: try TinyTask.task(planar: true).graph, fresh: wide)
    }
  }

  /// Every second name shares the bytes of the first.
  @Test func aliasesShareTheirStorage() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    try run(try trainer(task, length(epochs: 1), folder: folder.path))
    let weights = try TorchCheckpoint.open(folder(CheckpointName.final)).networkWeights
    #expect(weights.count > weights.canonical.count)
    #expect(weights.storageCount == task.graph.parameters.count)
    let first = try #require(weights["encoder.stages.0.0.convs.0.conv.weight"])
    let second = try #require(weights["decoder.encoder.stages.0.0.convs.0.all_modules.0.weight"])
    #expect(first.storage === second.storage)
  }

  /// The head of the coarsest output has no loss, hence no momentum.
  @Test func unusedHeadIsLeftAlone() throws {
    let folder = try TemporaryFolder()
    let task = try TinyTask.task()
    try run(try trainer(task, length(epochs: 1), folder: folder.path))
    let result = try read(folder(CheckpointName.final), task)
    #expect(result.momenta["decoder.seg_layers.0.weight"] == nil)
    #expect(result.momenta.count == task.graph.parameters.count - 2)
    let fresh = try ParameterInitialization.parameters(of: task.graph, seed: 11)
    #expect(
      result.parameters["decoder.seg_layers.0.weight"]?.floats() == fresh["decoder.seg_layers.0.weight"]?.floats())
  }
}
