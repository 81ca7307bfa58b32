/// A network as a list of operations on named parameters, in an order in which they can be executed.
///
/// Arrays are (N, C, spatial axes...); with two spatial axes (C, Y, X), with three (C, Z, Y, X). Parameters keep the
/// names that PyTorch's `state_dict` gives them. A graph says nothing about the size of the patch; `shapes(forInput:)`
/// follows one through it.
public struct Graph: Sendable, Equatable {
  /// What the nodes exchange: the network's input or what a node has computed.
  public struct Value: Sendable, Hashable {
    /// 0 is the input of the graph, `i + 1` the result of `nodes[i]`.
    public let index: Int

    public init(index: Int) { self.index = index }

    /// What is fed into the network.
    public static let input = Value(index: 0)
  }

  /// One operation. It has exactly one result.
  public struct Node: Sendable, Equatable {
    /// The path of the PyTorch module it stands for (`encoder.stages.0.0.convs.0.conv`); unique in its graph.
    public var name: String
    public var operation: Operation
    /// All of them come before this node.
    public var inputs: [Value]

    public init(name: String, operation: Operation, inputs: [Value]) {
      self.name = name
      self.operation = operation
      self.inputs = inputs
    }
  }

  /// A trained array the network needs.
  public struct Parameter: Sendable, Hashable {
    public enum Role: Sendable, Hashable {
      case weight, bias, runningMean, runningVariance

      /// Whether training changes it by its gradient; running statistics follow the data instead.
      public var isTrained: Bool { self == .weight || self == .bias }
    }

    /// The `state_dict` name.
    public var name: String
    public var shape: [Int]
    public var role: Role

    public init(name: String, shape: [Int], role: Role) {
      self.name = name
      self.shape = shape
      self.role = role
    }

    /// The number of elements.
    public var count: Int { shape.reduce(1, *) }
  }

  /// What the network is, in a few words: "PlainConvUNet".
  public var name: String
  /// 2 or 3.
  public var spatialRank: Int
  public var inputChannels: Int
  public var nodes: [Node]
  /// What the network computes. The first is its answer; others are deep-supervision heads, which only training asks for.
  public var outputs: [Value]
  /// Every parameter the nodes use, once, in `state_dict` order.
  public var parameters: [Parameter]
  /// Beginnings of the names of parameters that trained weights may contain although this graph has no use for them
  /// (deep-supervision heads).
  public var unusedParameterPrefixes: [String]

  public init(
    name: String, spatialRank: Int, inputChannels: Int, nodes: [Node], outputs: [Value], parameters: [Parameter],
    unusedParameterPrefixes: [String] = []
  ) {
    self.name = name
    self.spatialRank = spatialRank
    self.inputChannels = inputChannels
    self.nodes = nodes
    self.outputs = outputs
    self.parameters = parameters
    self.unusedParameterPrefixes = unusedParameterPrefixes
  }

  /// For each value the index of the last node that reads it; `nodes.count` for outputs, -1 where nobody does.
  ///
  /// What an executor needs to free memory as soon as it can.
  public var lastUses: [Int] {
    var last = [Int](repeating: -1, count: nodes.count + 1)
    for (index, node) in nodes.enumerated() {
      for input in node.inputs { last[input.index] = index }
    }
    for output in outputs { last[output.index] = nodes.count }
    return last
  }
}
