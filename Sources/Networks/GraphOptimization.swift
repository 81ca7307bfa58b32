/// Changes to a graph that leave its result as it is, except for rounding.
public struct GraphOptimization: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Drops the bias of convolutions whose only reader is an instance normalisation: it is subtracted again with the
  /// mean. (About 1e-7 of the result.)
  public static let dropCancelledBiases = GraphOptimization(rawValue: 1)
  /// Takes out dropout, which does nothing at inference.
  public static let dropDropout = GraphOptimization(rawValue: 2)

  public static let all: GraphOptimization = [.dropCancelledBiases, .dropDropout]
}

extension Graph {
  /// The graph after `optimizations`; its parameters are a subset of this graph's.
  public func optimized(_ optimizations: GraphOptimization) -> Graph {
    var graph = self
    if optimizations.contains(.dropDropout) { graph.removeDropout() }
    if optimizations.contains(.dropCancelledBiases) { graph.removeCancelledBiases() }
    let used = Set(graph.nodes.flatMap { $0.operation.parameters.map(\.name) })
    graph.parameters.removeAll { !used.contains($0.name) }
    return graph
  }

  private mutating func removeDropout() {
    var position = [Value.input]
    var kept: [Node] = []
    for var node in nodes {
      node.inputs = node.inputs.map { position[$0.index] }
      if case .dropout = node.operation, let input = node.inputs.first {
        position.append(input)
      } else {
        kept.append(node)
        position.append(Value(index: kept.count))
      }
    }
    nodes = kept
    outputs = outputs.map { position[$0.index] }
  }

  private mutating func removeCancelledBiases() {
    var readers = [Int](repeating: 0, count: nodes.count + 1)
    for node in nodes { for input in node.inputs { readers[input.index] += 1 } }
    for output in outputs { readers[output.index] += 1 }
    for node in nodes {
      guard case .instanceNorm = node.operation, let input = node.inputs.first, input != .input,
        readers[input.index] == 1
      else { continue }
      switch nodes[input.index - 1].operation {
      case .convolution(var convolution):
        convolution.bias = nil
        nodes[input.index - 1].operation = .convolution(convolution)
      case .transposedConvolution(var convolution):
        convolution.bias = nil
        nodes[input.index - 1].operation = .transposedConvolution(convolution)
      default: break
      }
    }
  }
}

extension Network {
  /// The network after `optimizations`, with the weights it still needs.
  public func optimized(_ optimizations: GraphOptimization) -> Network {
    let graph = graph.optimized(optimizations)
    let needed = Set(graph.parameters.map(\.name))
    return Network(graph: graph, matchedWeights: weights.filter { needed.contains($0.key) })
  }
}
