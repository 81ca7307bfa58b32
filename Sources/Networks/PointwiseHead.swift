import Basics
import Checkpoints

/// The last layer of a network when it is a pointwise convolution: logit k = bias[k] + the sum of weights[k][c] feature[c].
public struct PointwiseHead: Sendable, Equatable {
  /// Features in, classes out.
  public let inputs: Int
  public let outputs: Int
  /// (outputs, inputs)
  public let weights: [Float]
  /// (outputs)
  public let bias: [Float]

  public init(inputs: Int, outputs: Int, weights: [Float], bias: [Float]) {
    precondition(
      weights.count == inputs * outputs && bias.count == outputs, "a weight for each pair, a bias for each class")
    self.inputs = inputs
    self.outputs = outputs
    self.weights = weights
    self.bias = bias
  }
}

extension Network {
  /// The network without its last layer, and that layer, when it makes many logits of few features.
  ///
  /// Whoever adds logits up can then make them on the way, and nobody has to store them: the logits of 118 classes are
  /// several times as large as everything else. nil when there is nothing to gain.
  public func splitHead() -> (trunk: Network, head: PointwiseHead)? {
    guard graph.outputs.count == 1, let output = graph.outputs.first, output.index == graph.nodes.count,
      let node = graph.nodes.last, case .convolution(let convolution) = node.operation, let input = node.inputs.first,
      input != .input, convolution.outputChannels > convolution.inputChannels,
      (convolution.kernel + convolution.stride).allSatisfy({ $0 == 1 }), convolution.padding.allSatisfy({ $0 == 0 }),
      let weight = weights[convolution.weight]
    else { return nil }
    let (inputs, outputs) = (convolution.inputChannels, convolution.outputChannels)
    let bias =
      convolution.bias.flatMap { weights[$0] }.map { $0.withContiguousFloats { Array($0) } }
      ?? [Float](repeating: 0, count: outputs)
    var graph = graph
    graph.nodes.removeLast()
    graph.outputs = [input]
    let used = Set(graph.nodes.flatMap { $0.operation.parameters.map(\.name) })
    graph.parameters.removeAll { !used.contains($0.name) }
    return (
      Network(graph: graph, matchedWeights: weights.filter { used.contains($0.key) }),
      PointwiseHead(
        inputs: inputs, outputs: outputs, weights: weight.withContiguousFloats { Array($0) }, bias: bias)
    )
  }
}
