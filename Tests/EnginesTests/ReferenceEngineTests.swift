import Basics
import Checkpoints
import Networks
import TestSupport
import Testing

@testable import Engines

@Suite struct ReferenceEngineTests {
  /// 1e-5: the answers are PyTorch's in float64, ours store every value as float32.
  @Test(arguments: GoldenNetwork.all) func answersAsPyTorch(golden: GoldenNetwork) throws {
    let result = try run(golden.network, inputShape: golden.inputShape, on: ReferenceEngine())
    #expect(result.shape == golden.outputShape)
    #expect(result.values.count == golden.output.count)
    #expect(largestDifference(result.values, golden.output) < 1e-5)
  }

  @Test func goldenNetworksArePresent() { #expect(GoldenNetwork.all.count == 13) }

  @Test(arguments: GoldenNetwork.all) func optimizationsChangeRoundingOnly(golden: GoldenNetwork) throws {
    let result = try run(golden.network.optimized(.all), inputShape: golden.inputShape, on: ReferenceEngine())
    #expect(largestDifference(result.values, golden.output) < 1e-5)
  }

  /// The vectors of the inference specification, section 3.5; six decimals are given there.
  @Test func plainSpecificationVector() throws {
    let configuration = UNetConfiguration(
      spatialRank: 2, inputChannels: 1, outputChannels: 2, features: [2, 3], kernels: [[3, 3], [3, 3]],
      strides: [[1, 1], [2, 2]], blocksPerStage: [1, 2], blocksPerDecoderStep: [1])
    let graph = try configuration.makeGraph()
    #expect(graph.parameterCount == 287)
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let result = try run(network, inputShape: [1, 1, 4, 6], on: ReferenceEngine())
    let first: [Float] = [
      0.125273, 0.413435, 0.337958, 0.059617, -0.151538, -0.232717, -0.294461, -0.298145, -0.300324, -0.298182,
      -0.294132, -0.181524, -0.294258, 0.017894, 0.235026, 0.260409, 0.074546, -0.117089, 0.129646, -0.028704,
      -0.294278, -0.296242, -0.296292, -0.294985,
    ]
    let second: [Float] = [
      -0.64801, -0.987885, -0.909853, -0.586302, -0.336257, -0.239163, -0.183206, -0.178931, -0.176272, -0.178646,
      -0.183342, -0.291522, -0.18322, -0.514944, -0.776811, -0.81357, -0.602012, -0.377999, -0.664665, -0.494568,
      -0.183494, -0.181182, -0.181051, -0.182516,
    ]
    #expect(result.shape == [1, 2, 4, 6])
    #expect(largestDifference(result.values, first + second) < 1e-5)
  }

  @Test func residualSpecificationVector() throws {
    let configuration = UNetConfiguration(
      family: .residualEncoder, spatialRank: 3, inputChannels: 1, outputChannels: 2, features: [2, 3],
      kernels: [[1, 3, 3], [3, 3, 3]], strides: [[1, 1, 1], [1, 2, 2]], blocksPerStage: [1, 2],
      blocksPerDecoderStep: [1])
    let graph = try configuration.makeGraph()
    #expect(graph.parameterCount == 1157)
    let network = try Network(graph: graph, weights: formulaWeights(graph))
    let result = try run(network, inputShape: [1, 1, 2, 4, 4], on: ReferenceEngine())
    let expected: [Float] = [
      -0.053575, -0.059331, -0.076579, 0.190869, -0.291054, 0.034696, 0.588123, 0.200893, 0.257469, 0.174948,
      -0.257247, -0.29244, -0.292995, -0.296451, -0.295806, -0.292835, -0.289725, -0.290932, 0.296166, 0.462612,
      0.059466, 0.897667, 0.558195, 0.113216, -0.031805, -0.29492, -0.299796, -0.293865, -0.291357, -0.290458,
      0.072146, -0.233701, -0.348863, -0.345164, -0.334674, -0.426832, -0.270981, -0.369082, -0.558664, -0.43795,
    ]
    #expect(result.shape == [1, 2, 2, 4, 4])
    #expect(largestDifference(result.values, expected) < 1e-5)
  }

  @Test func requestsCanBeUsedAgain() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let compiled = try ReferenceEngine().compile(golden.network, inputShape: golden.inputShape, options: .init())
    let request = try compiled.makeRequest()
    for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
    try request.start()
    let first = Array(try request.wait())
    for index in request.input.indices { request.input[index] *= -2 }
    try request.start()
    #expect(Array(try request.wait()) != first)
    for index in request.input.indices { request.input[index] /= -2 }
    try request.start()
    #expect(Array(try request.wait()) == first)
  }

  @Test func refusesWhatItCannotDo() throws {
    let golden = try #require(GoldenNetwork.all.first)
    #expect(throws: Failure.self) {
      try ReferenceEngine().compile(golden.network, inputShape: golden.inputShape, options: .init(device: "GPU"))
    }
    #expect(throws: Failure.self) {
      try ReferenceEngine().compile(golden.network, inputShape: golden.inputShape, options: .init(precision: .bf16))
    }
    #expect(throws: Failure.self) {
      try ReferenceEngine().compile(golden.network, inputShape: [1, 1, 4, 8, 12], options: .init())
    }
  }
}
