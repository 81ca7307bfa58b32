import Basics
import Checkpoints
import Foundation
import Networks
import TestSupport
import Testing

@testable import Engines

/// Operations that no U-Net of the plans contains, against PyTorch (Resources/make_operations.py).
@Suite struct ReferenceOperationTests {
  static let operations: [(name: String, operation: Graph.Operation)] = [
    ("group norm", .groupNorm(.init(channels: 4, epsilon: 1e-5, scale: "norm.weight", shift: "b"), groups: 2)),
    ("upsampling linear 3D", .upsampling(factors: [2, 3, 1], .linear)),
    ("upsampling linear 2D", .upsampling(factors: [2, 3], .linear)),
    ("upsampling nearest 3D", .upsampling(factors: [2, 3, 1], .nearest)),
    ("average pooling with a rest", .averagePooling(window: [2, 2])),
    (
      "convolution, even kernel",
      .convolution(
        .init(
          inputChannels: 2, outputChannels: 3, kernel: [2, 4], stride: [1, 2], padding: [0, 1], weight: "w", bias: "b"))
    ),
    (
      "transposed convolution, overlapping and padded",
      .transposedConvolution(
        .init(
          inputChannels: 4, outputChannels: 2, kernel: [3, 2, 4], stride: [2, 1, 2], padding: [1, 0, 1], weight: "w",
          bias: "b"))
    ),
  ]

  @Test(arguments: operations.indices) func answersAsPyTorch(index: Int) throws {
    let (name, operation) = Self.operations[index]
    let url = try #require(Bundle.module.url(forResource: "Resources/operations", withExtension: "json"))
    let all = try #require(JSON.read(url.path).array)
    let golden = try #require(all.first { $0["name"]?.string == name })
    let shape = try #require(golden["input_shape"]?.ints)
    let graph = Graph(
      name: name, spatialRank: shape.count - 2, inputChannels: shape[1],
      nodes: [.init(name: "node", operation: operation, inputs: [.input])], outputs: [.init(index: 1)],
      parameters: operation.parameters)
    // Each parameter begins its sine anew.
    var weights: [String: Tensor] = [:]
    for parameter in graph.parameters {
      let alone = Graph(
        name: name, spatialRank: 2, inputChannels: 1, nodes: [], outputs: [], parameters: [parameter])
      weights.merge(try formulaWeights(alone)) { $1 }
    }
    let result = try run(Network(graph: graph, weights: weights), inputShape: shape, on: ReferenceEngine())
    #expect(result.shape == golden["output_shape"]?.ints)
    let expected = try #require(golden["output"]?.doubles).map(Float.init)
    #expect(result.values.count == expected.count)
    // float32 storage against float64.
    #expect(largestDifference(result.values, expected) < 1e-5)
  }
}
