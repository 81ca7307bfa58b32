import Checkpoints

/// A network with its trained parameters: all an engine needs to run it.
public struct Network: Sendable {
  public var graph: Graph
  /// Parameter tensors by their `state_dict` name, one for each of `graph.parameters`, shapes checked.
  public var weights: [String: Tensor]
}
