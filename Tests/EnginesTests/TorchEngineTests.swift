import Basics
import Checkpoints
import Foundation
import Networks
import TestSupport
import Testing

@testable import Engines

/// With PyTorch's own kernels and ours, and (`plain`) with only PyTorch's, as on graphics processors.
@Suite(.enabled(if: InstalledTorch.engine != nil, InstalledTorch.absence)) struct TorchEngineTests {
  private let engine: TorchEngine
  private let plain: TorchEngine

  init() throws {
    engine = try InstalledTorch.require()
    var other = engine
    other.usesOwnKernels = false
    plain = other
  }

  @Test func tellsWhatItIs() throws {
    #expect(engine.name == "torch" && engine.devices.first == "CPU")
    #expect(!EngineSearch.isOlder(engine.version, than: TorchLibrary.oldestVersion))
    #expect(EngineRegistry.names.contains("torch"))
    let network = GoldenNetwork.all[0]
    for name in ["cpu", "CPU"] {
      let compiled = try engine.compile(
        network.network, inputShape: network.inputShape, options: CompileOptions(device: name))
      #expect(compiled.precision == .fp32)
    }
    let failure = #expect(throws: Failure.self) {
      try engine.compile(
        network.network, inputShape: network.inputShape, options: CompileOptions(device: "cuda:77"))
    }
    #expect(failure?.kind == .engine && failure?.hint?.contains("CPU") == true)
  }

  /// Although PyTorch has read the environment long before.
  @Test func usesAsManyThreadsAsItIsTold() throws {
    let golden = GoldenNetwork.all[0]
    for threads in [1, 2, 1] {
      let compiled = try engine.compile(
        golden.network, inputShape: golden.inputShape, options: CompileOptions(threads: threads))
      #expect(engine.library.threads == threads && compiled.notes.isEmpty)
    }
    engine.library.useThreads(Processor.current.physicalCores)
  }

  @Test(arguments: GoldenNetwork.all) func answersAsPyTorch(golden: GoldenNetwork) throws {
    for engine in [engine, plain] {
      let result = try run(golden.network, inputShape: golden.inputShape, on: engine)
      #expect(result.shape == golden.outputShape)
      let scale = golden.output.map(abs).max() ?? 1
      #expect(largestDifference(result.values, golden.output) < 1e-4 * max(1, scale))
    }
  }

  /// The same gradients as the reference engine's, which are checked against differences.
  @Test(arguments: GradientCase.all) func gradientsAreTheReference(example: GradientCase) throws {
    let expected = try example.gradients(on: ReferenceEngine())
    for engine in [engine, plain] {
      let computed = try example.gradients(on: engine)
      #expect(computed.keys.sorted() == expected.keys.sorted())
      for (name, gradient) in expected {
        let values = gradient.floats()
        let scale = max(1, values.map(abs).max() ?? 1)
        #expect(largestDifference(try #require(computed[name]).floats(), values) < 2e-4 * scale, "\(name)")
      }
      let outputs = try zip(
        example.forward(engine.makeTrainable(example.graph, parameters: example.parameters(), options: .init())),
        example.forward(
          ReferenceEngine().makeTrainable(example.graph, parameters: example.parameters(), options: .init())))
      for (one, other) in outputs { #expect(largestDifference(one, other) < 1e-4) }
    }
  }

  @Test(arguments: GradientCase.all) func gradientsAreDifferences(example: GradientCase) throws {
    try example.check(on: engine)
  }

  @Test(arguments: OperatorGolden.all) func operatorsAreAutograds(golden: OperatorGolden) throws {
    for engine in [engine, plain] { try golden.check(on: engine) }
  }

  @Test(arguments: OptimizerGolden.all) func optimizersStepAsPyTorch(golden: OptimizerGolden) throws {
    for engine in [engine, plain] { try golden.check(on: engine) }
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence)) func stepsAsPyTorch() throws {
    for engine in [engine, plain] { try checkDescent(on: engine) }
  }

  @Test func keepsWhatHasNoGradient() throws {
    for engine in [engine, plain] { try checkPartialGradients(on: engine) }
  }

  @Test func followsStatistics() throws {
    for engine in [engine, plain] { try checkRunningStatistics(on: engine) }
  }

  @Test func scalesBackGradients() throws {
    for engine in [engine, plain] { try checkGradientFactor(on: engine) }
  }

  /// Eight bits give about two digits, eleven about three, before the layers add their errors up; the point is that
  /// everything is converted where it has to be.
  @Test(arguments: GoldenNetwork.all, [Precision.fp16, .bf16]) func answersInHalfPrecision(
    golden: GoldenNetwork, precision: Precision
  ) throws {
    let result = try run(golden.network, inputShape: golden.inputShape, on: plain, precision: precision)
    #expect(result.shape == golden.outputShape)
    let scale = max(1, golden.output.map(abs).max() ?? 1)
    #expect(largestDifference(result.values, golden.output) < (precision == .fp16 ? 2e-2 : 0.1) * scale)
  }

  @Test(arguments: GradientCase.all) func differentiatesInHalfPrecision(example: GradientCase) throws {
    let expected = try example.gradients(on: ReferenceEngine())
    let computed = try example.gradients(on: plain, options: CompileOptions(precision: .bf16))
    for (name, gradient) in expected {
      let values = gradient.floats()
      let scale = max(1, values.map(abs).max() ?? 1)
      #expect(largestDifference(try #require(computed[name]).floats(), values) < 0.1 * scale, "\(name)")
    }
  }

  @Test(arguments: TrainedNetwork.all) func trainsAsAutograd(golden: TrainedNetwork) throws {
    for engine in [engine, plain] { try golden.check(on: engine) }
  }
}
