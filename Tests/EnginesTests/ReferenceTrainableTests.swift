import Basics
import Checkpoints
import Networks
import TestSupport
import Testing

@testable import Engines

@Suite struct ReferenceTrainableTests {
  @Test(arguments: GradientCase.all) func gradientsAreDifferences(example: GradientCase) throws {
    try example.check(on: ReferenceEngine())
  }

  @Test(arguments: OperatorGolden.all) func operatorsAreAutograds(golden: OperatorGolden) throws {
    try golden.check(on: ReferenceEngine())
  }

  @Test(arguments: OptimizerGolden.all) func optimizersStepAsPyTorch(golden: OptimizerGolden) throws {
    try golden.check(on: ReferenceEngine())
  }

  /// One step of a network with a single parameter for each number, against PyTorch's SGD.
  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence)) func stepsAsPyTorch() throws {
    try checkDescent(on: ReferenceEngine())
  }

  @Test(arguments: TrainedNetwork.all) func trainsAsAutograd(golden: TrainedNetwork) throws {
    try golden.check(on: ReferenceEngine())
  }

  @Test func keepsWhatHasNoGradient() throws { try checkPartialGradients(on: ReferenceEngine()) }

  @Test func followsStatistics() throws { try checkRunningStatistics(on: ReferenceEngine()) }

  @Test func scalesBackGradients() throws { try checkGradientFactor(on: ReferenceEngine()) }
}
