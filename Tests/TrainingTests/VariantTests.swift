import Basics
import Checkpoints
import Engines
import Foundation
import NNUNet
import Networks
import TestSupport
import Testing

@testable import Training

@Suite struct VariantTests {
  /// Every trainer class that nnunetv2 2.8.1 ships is known, or refused with a reason.
  @Test func everyClassIsKnownOrRefused() throws {
    var names = """
      BN CELoss CELoss_5epochs CosAnneal DA5 DA5Segord0 DA5_10epochs DA5ord0 DiceLoss DiceCELoss_noSmooth DiceTopK10Loss \
      NoDA NoDeepSupervision NoMirroring Topk10Loss Topk10LossLS01 _warmup _DASegOrd0 _DASegOrd0_NoMirroring \
      _noDummy2DDA _onlyMirror01 _onlyMirror01_1500ep _onlyMirror01_DA5 _onlyMirror01_DASegOrd0 \
      _probabilisticOversampling _probabilisticOversampling_010 _probabilisticOversampling_033 Benchmark_5epochs Adam \
      Adam1en3 Adam3en4 VanillaAdam VanillaAdam1en3 VanillaAdam3en4 Adan Adan1en3 Adan3en4 Adan1en1 AdanCosAnneal \
      _1epoch
      """.split(separator: " ").map(String.init)
    for count in [5, 10, 20, 50, 100, 250, 500, 750, 2000, 4000, 8000] { names.append("_\(count)epochs") }
    for count in [250, 2000, 4000, 8000] { names.append("_\(count)epochs_NoMirroring") }
    names.append("")
    for name in names { #expect(try TrainerVariant.named("nnUNetTrainer" + name).name == "nnUNetTrainer" + name) }
    #expect(try TrainerVariant.named("nnUNet_Trainer_BS8").batchSize == 8)
    #expect(TrainerVariant.all.count == names.count + 1)
    #expect(Set(TrainerVariant.all.map(\.name)).count == TrainerVariant.all.count)
    let missing = [
      "nnUNet_Primus_S_Trainer", "nnUNet_PrimusV3L_Trainer", "_Primus_B_96_BS1",
      "nnUNetTrainerBenchmark_5epochs_noDataLoading",
    ]
    for name in missing {
      let failure = #expect(throws: Failure.self) { try TrainerVariant.named(name) }
      #expect(failure?.kind == .usage && failure?.message.contains("is not supported: ") == true)
    }
  }

  @Test func variantsDifferWhereTheyShould() throws {
    func variant(_ name: String) throws -> TrainerVariant { try .named("nnUNetTrainer" + name) }
    #expect(try variant("Adam").optimizer != variant("VanillaAdam").optimizer)
    #expect(try variant("Adam3en4").rate == 3e-4)
    #expect(try variant("AdanCosAnneal").schedule == .cosineAnnealing)
    #expect(try variant("DA5ord0").nearestImages && !variant("DA5Segord0").nearestImages)
    #expect(try variant("_onlyMirror01_DA5").mirroring == .firstTwo)
    #expect(try variant("_DASegOrd0").cascadeShare == 1 && variant("").cascadeShare == 0.5)
    #expect(try TinyTask.task(trainer: "nnUNet_Trainer_BS8").batchSize == 8)
    let regions = #"{"background": 0, "whole": [1, 2], "b": 2}, "regions_class_order": [1, 2]"#
    for name in ["CELoss", "Topk10Loss", "DiceTopK10Loss"] {
      #expect(throws: Failure.self) { try TinyTask.task(trainer: "nnUNetTrainer" + name, labels: regions) }
    }
  }

  // MARK: What optimisers leave in checkpoints

  private static let graph: Graph = {
    var builder = GraphBuilder(spatialRank: 2, inputChannels: 1)
    let first = builder.convolution(.input, name: "w", outputChannels: 6, kernel: [1, 1], bias: false)
    let second = builder.convolution(first, name: "v", outputChannels: 2, kernel: [1, 1], bias: false)
    return builder.graph(name: "two", outputs: [second])
  }()

  /// What is read from PyTorch's file is written as PyTorch has written it.
  @Test(arguments: [
    ("sgd", "nnUNetTrainer"), ("adam", "nnUNetTrainerVanillaAdam"), ("adamw amsgrad", "nnUNetTrainerAdam"),
    ("adan", "nnUNetTrainerAdan"),
  ])
  func optimizerStatesAreThePyTorchs(name: String, trainer: String) throws {
    let url = try #require(Bundle.module.url(forResource: "Resources/optimizer_states", withExtension: "pth"))
    let given = try #require(TorchCheckpoint.open(url.path).root[name])
    let state = try OptimizerState(pickled: given, graph: Self.graph)
    let variant = try TrainerVariant.named(trainer)
    try state.check(against: variant.optimizer)
    #expect(state.arrays.values.allSatisfy { Array($0.keys) == ["w.weight"] })
    #expect(state.steps["w.weight"] == (name == "sgd" ? nil : 3))
    let written = try state.pickled(of: Self.graph, rule: variant.rule(rate: 1e-2), rate: 0.5e-2)
    #expect(described(written) == described(given))
    if name != "sgd" {
      #expect(throws: Failure.self) { try state.check(against: .nesterov(momentum: 0.99)) }
    }
  }

  @Test func lossScalesAreThePyTorchs() throws {
    let url = try #require(Bundle.module.url(forResource: "Resources/optimizer_states", withExtension: "pth"))
    let given = try #require(TorchCheckpoint.open(url.path).root["scaler"])
    #expect(described(LossScale().pickled) == described(given))
    #expect(LossScale(pickled: given) == LossScale())
    #expect(LossScale(pickled: PickleValue.none) == nil)
    var scale = LossScale()
    for _ in 0..<1999 { scale.follow(isFinite: true) }
    #expect(scale.scale == 65536)
    scale.follow(isFinite: true)
    #expect(scale.scale == 131072)
    for _ in 0..<1999 { scale.follow(isFinite: true) }
    scale.follow(isFinite: false)
    #expect(scale.scale == 65536)
    // The count begins anew.
    scale.follow(isFinite: true)
    #expect(scale.scale == 65536)
    #expect(LossScale(pickled: scale.pickled) == scale)
  }

  /// Numbers with six digits, keys in order.
  private func described(_ value: PickleValue) -> String {
    switch value {
    case .dictionary(let dictionary):
      let entries = dictionary.entries.map { "\(described($0.key)): \(described($0.value))" }
      return "{\(entries.sorted().joined(separator: ", "))}"
    case .list(let items): return "[\(items.map(described).joined(separator: ", "))]"
    case .tuple(let items): return "(\(items.map(described).joined(separator: ", ")))"
    case .tensor(let tensor): return "tensor \(tensor.shape) \(tensor.elementType) \(tensor.floats())"
    case .int(let number): return "\(number)"
    case .float(let number): return "\(Float(number))"
    case .string(let text): return text
    case .bool(let truth): return "\(truth)"
    default: return "none"
    }
  }

  @Test(arguments: ["nnUNetTrainerAdam", "nnUNetTrainerAdan", "nnUNetTrainerDA5", "nnUNetTrainerBN"])
  func goingOnChangesNothing(name: String) throws {
    let task = try TinyTask.task(trainer: name)
    var length = TrainingLength(epochs: 2)
    (length.iterationsPerEpoch, length.validationIterations, length.saveEvery) = (3, 1, 1)
    let cases = TinyTask.cases(2)
    func train(_ folder: String, from checkpoint: TrainingCheckpoint?) throws -> TrainingCheckpoint {
      let parameters = try checkpoint?.parameters ?? ParameterInitialization.parameters(of: task.graph, seed: 11)
      let network = try ReferenceEngine().makeTrainable(task.graph, parameters: parameters, options: CompileOptions())
      if let checkpoint { try network.restore(parameters: parameters, state: checkpoint.optimizer) }
      let trainer = try Trainer(
        task: task, length: length, network: network, folder: folder, fold: "0", checkpoint: checkpoint, seed: 11,
        report: { event in
          if case .finishedEpoch(let epoch) = event, epoch.epoch == 0 {
            try? AtomicFile.write(Path.read(Path.join(folder, CheckpointName.latest)), to: folder + "/kept.pth")
          }
        })
      try trainer.run(training: [cases[0]], validation: [cases[1]], previous: nil, workers: 2)
      #expect(trainer.history.trainingLosses.allSatisfy { $0.isFinite })
      return try TrainingCheckpoint.read(Path.join(folder, CheckpointName.final), graph: task.graph)
    }
    let (one, other) = (try TemporaryFolder(), try TemporaryFolder())
    let whole = try train(one.path, from: nil)
    let result = try train(other.path, from: try .read(one("kept.pth"), graph: task.graph))
    for (name, tensor) in whole.parameters { #expect(result.parameters[name]?.floats() == tensor.floats()) }
    #expect(whole.optimizer.steps == result.optimizer.steps)
    #expect(Set(whole.optimizer.arrays.keys) == Set(task.variant.optimizer.arrayNames))
    for (kind, arrays) in whole.optimizer.arrays {
      for (name, tensor) in arrays {
        #expect(result.optimizer.arrays[kind]?[name]?.floats() == tensor.floats())
      }
    }
    // Another optimiser's training cannot be continued.
    if case .nesterov = task.variant.optimizer { return }
    let sgd = try TinyTask.task()
    let network = try ReferenceEngine().makeTrainable(
      sgd.graph, parameters: whole.parameters, options: CompileOptions())
    let failure = #expect(throws: Failure.self) {
      try Trainer(
        task: sgd, length: length, network: network, folder: other.path, fold: "0", checkpoint: whole, seed: 1,
        report: { _ in })
    }
    #expect(failure?.kind == .badInput)
  }

  /// In half precision a training on the processor goes the way of single precision.
  @Test(
    .enabled(if: InstalledTorch.engine != nil, InstalledTorch.absence), arguments: [Precision.bf16, .fp16])
  func halfPrecisionTrains(precision: Precision) throws {
    let task = try TinyTask.task(trainer: "nnUNetTrainerNoDA")
    var length = TrainingLength(epochs: 1)
    (length.iterationsPerEpoch, length.validationIterations) = (8, 1)
    let cases = TinyTask.cases(2)
    func loss(_ precision: Precision) throws -> (Double, LossScale?) {
      let folder = try TemporaryFolder()
      let network = try InstalledTorch.require().makeTrainable(
        task.graph, parameters: ParameterInitialization.parameters(of: task.graph, seed: 11),
        options: CompileOptions(precision: precision))
      #expect(network.precision == precision)
      let trainer = try Trainer(
        task: task, length: length, network: network, folder: folder.path, fold: "0", checkpoint: nil, seed: 11,
        report: { _ in })
      try trainer.run(training: [cases[0]], validation: [cases[1]], previous: nil, workers: 1)
      let checkpoint = try TrainingCheckpoint.read(folder(CheckpointName.final), graph: task.graph)
      return (trainer.history.trainingLosses[0], checkpoint.lossScale)
    }
    let (expected, none) = try loss(.fp32)
    let (computed, scale) = try loss(precision)
    #expect(none == nil && (scale != nil) == (precision == .fp16))
    // Eight bits in a number give two digits; a lost gradient would give a loss that does not fall.
    #expect(abs(computed - expected) < 0.05, "\(precision) \(computed), fp32 \(expected)")
  }
}
