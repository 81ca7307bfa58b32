extension Network {
  /// The network up to the last of some of its values, with these as its outputs.
  ///
  /// - Parameter values: results of nodes, each once.
  public func tapping(_ values: [Graph.Value]) -> Network {
    var graph = graph
    graph.outputs = values
    graph.nodes = Array(graph.nodes.prefix(values.map(\.index).max() ?? 0))
    let used = Set(graph.nodes.flatMap { $0.operation.parameters.map(\.name) })
    graph.parameters.removeAll { !used.contains($0.name) }
    return Network(graph: graph, matchedWeights: weights.filter { used.contains($0.key) })
  }
}
