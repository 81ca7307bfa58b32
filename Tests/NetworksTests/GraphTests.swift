import Basics
import Testing

@testable import Networks

@Suite struct GraphTests {
  /// The network of TotalSegmentator's 1.5 and 3 mm tasks, and of the measurements in the design.
  static let large = UNetConfiguration(
    spatialRank: 3, inputChannels: 1, outputChannels: 118, features: [32, 64, 128, 256, 320, 320],
    kernels: [[Int]](repeating: [3, 3, 3], count: 6),
    strides: [[1, 1, 1]] + [[Int]](repeating: [2, 2, 2], count: 5), blocksPerStage: [Int](repeating: 2, count: 6),
    blocksPerDecoderStep: [Int](repeating: 2, count: 5))

  private func tiny(strides: [[Int]] = [[1, 1, 1], [1, 2, 2], [2, 2, 2]]) throws -> Graph {
    try UNetConfiguration(
      spatialRank: 3, inputChannels: 2, outputChannels: 3, features: [4, 8, 8],
      kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]], strides: strides, blocksPerStage: [1, 1, 1],
      blocksPerDecoderStep: [1, 1]
    ).makeGraph()
  }

  // MARK: Shapes

  @Test func followsShapes() throws {
    let graph = try tiny()
    #expect(graph.totalStride == [2, 4, 4])
    #expect(try graph.outputShape(forInput: [3, 2, 6, 8, 12]) == [3, 3, 6, 8, 12])
    #expect(throws: Failure.self) { try graph.shapes(forInput: [1, 1, 6, 8, 12]) }
    #expect(throws: Failure.self) { try graph.shapes(forInput: [1, 2, 8, 12]) }
    #expect(throws: Failure.self) { try graph.shapes(forInput: [1, 2, 0, 8, 12]) }
    #expect(throws: Failure.self) { try graph.shapes(forInput: [1, 2, .max, .max, .max]) }
  }

  @Test(arguments: [0, 1, 2]) func namesTheAxisThatDoesNotFit(axis: Int) throws {
    var shape = [1, 2, 8, 8, 8]
    shape[axis + 2] = 9
    do {
      _ = try tiny().shapes(forInput: shape)
      Issue.record("nine voxels cannot be halved")
    } catch let failure as Failure {
      #expect(failure.message.contains("9 voxels along axis \(axis)"))
      #expect(failure.hint?.contains(axis == 0 ? "such as 10" : "such as 12") == true)
    }
  }

  // MARK: Cost

  /// Counted by hand, layer by layer.
  @Test func countsTheOperationsOfASmallNetwork() throws {
    let shape = [1, 2, 4, 8, 8]
    let full = 4 * 8 * 8
    let half = 4 * 4 * 4
    let quarter = 2 * 2 * 2
    let encoder = full * 4 * 2 * 9 + half * 8 * 4 * 27 + quarter * 8 * 8 * 27
    let up = quarter * 8 * 8 * 8 + half * 8 * 4 * 4
    let decoder = half * 8 * 16 * 27 + full * 4 * 8 * 9
    let head = full * 3 * 4
    let cost = try tiny().cost(forInput: shape)
    #expect(cost.operations == 2 * (encoder + up + decoder + head))
    #expect(try tiny().cost(forInput: [2] + shape[1...]).operations == 2 * cost.operations)
    let weights =
      4 * 2 * 9 + 8 * 4 * 27 + 8 * 8 * 27 + (8 * 8 * 8 + 8) + (8 * 4 * 4 + 4) + 8 * 16 * 27 + 4 * 8 * 9
      + (3 * 4 + 3)
    // Each of the five blocks also has a bias, a scale and a shift.
    #expect(cost.parameters == weights + 3 * (4 + 8 + 8 + 8 + 4))
  }

  /// Three results of each block (convolution, norm, activation); the peak is in the last decoder block: while its
  /// convolution runs, the concatenation (8 channels) and its result (4 channels) exist, and before it, while the
  /// concatenation is made, the skip (4), the enlarged map (4) and the concatenation (8).
  @Test func countsActivations() throws {
    let cost = try tiny().cost(forInput: [1, 2, 4, 8, 8])
    let full = 4 * 8 * 8 * 4
    let half = 4 * 4 * 4 * 4
    let quarter = 2 * 2 * 2 * 4
    let encoder = full * 12 + half * 24 + quarter * 24
    let decoder = half * (8 + 16 + 24) + full * (4 + 8 + 12) + full * 3
    #expect(cost.activationBytes == encoder + decoder)
    #expect(cost.peakActivationBytes == full * 16)
  }

  @Test func countsTheLargeNetwork() throws {
    let cost = try Self.large.makeGraph().cost(forInput: [1, 1, 96, 96, 96])
    #expect(abs(Double(cost.operations) / 1e9 - 409) < 1)
    #expect("\(cost)".hasPrefix("409 GFLOP, "))
  }

  // MARK: Optimization

  @Test func dropsBiasesThatCancel() throws {
    let graph = try tiny()
    let optimized = graph.optimized(.dropCancelledBiases)
    #expect(optimized.nodes.count == graph.nodes.count)
    let dropped = Set(graph.parameters.map(\.name)).subtracting(optimized.parameters.map(\.name))
    #expect(
      dropped == [
        "encoder.stages.0.0.convs.0.conv.bias", "encoder.stages.1.0.convs.0.conv.bias",
        "encoder.stages.2.0.convs.0.conv.bias", "decoder.stages.0.convs.0.conv.bias",
        "decoder.stages.1.convs.0.conv.bias",
      ])
  }

  @Test func keepsBiasesThatDoNotCancel() throws {
    var builder = GraphBuilder(spatialRank: 2, inputChannels: 1)
    let first = builder.convolution(.input, name: "a", outputChannels: 2, kernel: [3, 3], bias: true)
    let norm = builder.instanceNorm(first, name: "n", epsilon: 1e-5)
    // `first` is read a second time, and the next norm has statistics of its own.
    let sum = builder.add(first, norm, name: "s")
    let second = builder.convolution(sum, name: "b", outputChannels: 2, kernel: [3, 3], bias: true)
    let last = builder.batchNorm(second, name: "m", epsilon: 1e-5)
    let graph = builder.graph(name: "test", outputs: [last])
    #expect(graph.optimized(.all) == graph)
  }

  @Test func takesOutDropout() throws {
    var builder = GraphBuilder(spatialRank: 2, inputChannels: 1)
    let first = builder.convolution(.input, name: "a", outputChannels: 2, kernel: [3, 3], bias: true)
    let dropped = builder.dropout(first, name: "d", probability: 0.5)
    let norm = builder.instanceNorm(dropped, name: "n", epsilon: 1e-5)
    let end = builder.dropout(norm, name: "e", probability: 0.5)
    let graph = builder.graph(name: "test", outputs: [end]).optimized(.all)
    #expect(graph.nodes.map(\.name) == ["a", "n"])
    #expect(graph.outputs == [Graph.Value(index: 2)])
    #expect(graph.parameters.map(\.name) == ["a.weight", "n.weight", "n.bias"])
  }
}
