import Basics
import Checkpoints
import Networks
import TestSupport
import Testing

@testable import Training

@Suite struct ScheduleTests {
  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func polynomialRatesAreTheReferences() throws {
    let vector = try Vectors.read("sgd_polylr.json")
    for step in try #require(vector["steps"]?.array) {
      let rate = LearningRateSchedule.polynomial.rate(
        epoch: try #require(step["epoch"]?.int), of: 1000, initial: try #require(vector["lr0"]?.double))
      #expect(abs(rate - (step["lr"]?.double ?? 0)) < 1e-15)
    }
  }

  @Test func otherSchedules() {
    #expect(LearningRateSchedule.cosineAnnealing.rate(epoch: 0, of: 10, initial: 2) == 2)
    #expect(abs(LearningRateSchedule.cosineAnnealing.rate(epoch: 5, of: 10, initial: 2) - 1) < 1e-12)
    let warm = LearningRateSchedule.warmUp(50)
    #expect(warm.rate(epoch: 0, of: 1000, initial: 1) == 0.02)
    #expect(warm.rate(epoch: 49, of: 1000, initial: 1) == 1)
    #expect(warm.rate(epoch: 50, of: 1000, initial: 1) == 1)
    #expect(warm.rate(epoch: 51, of: 1000, initial: 1) < 1)
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func deviationsOfFreshWeights() throws {
    for vector in try #require(try Vectors.read("he_init.json").array) {
      let deviation = ParameterInitialization.deviation(try #require(vector["weight_shape"]?.ints))
      #expect(abs(deviation - (vector["std"]?.double ?? 0)) < 1e-12)
    }
  }

  @Test func freshParameters() throws {
    var network = UNetConfiguration(
      family: .residualEncoder, spatialRank: 3, inputChannels: 1, outputChannels: 2, features: [8, 16],
      kernels: [[3, 3, 3], [3, 3, 3]], strides: [[1, 1, 1], [2, 2, 2]], blocksPerStage: [1, 1],
      blocksPerDecoderStep: [1])
    let graph = try network.makeGraph(deepSupervision: true)
    let fresh = try ParameterInitialization.parameters(of: graph, seed: 3)
    #expect(Set(fresh.keys) == Set(graph.parameters.map(\.name)))
    #expect(fresh["encoder.stages.0.blocks.0.conv2.norm.weight"]?.floats().allSatisfy { $0 == 0 } == true)
    #expect(fresh["encoder.stages.0.blocks.0.conv1.norm.weight"]?.floats().allSatisfy { $0 == 1 } == true)
    #expect(fresh["decoder.transpconvs.0.bias"]?.floats().allSatisfy { $0 == 0 } == true)
    let weights = try #require(fresh["encoder.stages.1.blocks.0.conv2.conv.weight"])
    let mean = weights.floats().reduce(0, +) / Float(weights.count)
    let variance = weights.floats().reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(weights.count)
    #expect(abs(variance.squareRoot() / Float(ParameterInitialization.deviation(weights.shape)) - 1) < 0.05)
    network.family = .plain
    #expect(try ParameterInitialization.parameters(of: network.makeGraph(), seed: 3).count > 0)
  }

  @Test func trainersAreKnownByName() throws {
    #expect(try TrainerVariant.named("nnUNetTrainer_5epochs").epochs == 5)
    #expect(try TrainerVariant.named("nnUNetTrainerTopk10LossLS01").labelSmoothing == 0.1)
    for name in ["nnUNetTrainr", "nnUNetTrainerRAdam", "nnUNet_Primus_S_Trainer"] {
      let failure = #expect(throws: Failure.self) { try TrainerVariant.named(name) }
      #expect(failure?.kind == .usage)
      #expect(failure?.hint?.contains("nnUNetTrainer_250epochs") == true)
    }
  }

  @Test func averageOutlivesAnEpochWithoutClasses() {
    var history = TrainingHistory()
    history.append(dice: [0.5, .nan])
    history.append(dice: [.nan, .nan])
    history.append(dice: [1, 0.5])
    #expect(history.smoothedDice[0] == 0.5)
    #expect(history.smoothedDice[1] == 0.5)
    #expect(abs(history.smoothedDice[2] - 0.525) < 1e-12)
    #expect(history.meanDice[1].isNaN)
  }
}
