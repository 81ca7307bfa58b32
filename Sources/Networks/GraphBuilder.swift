/// Puts a graph together node by node, keeping count of channels so that a description says each number once.
public struct GraphBuilder {
  public let spatialRank: Int
  public let inputChannels: Int
  public private(set) var nodes: [Graph.Node] = []
  /// The channel count of each value.
  private var channels: [Int]

  public init(spatialRank: Int, inputChannels: Int) {
    self.spatialRank = spatialRank
    self.inputChannels = inputChannels
    channels = [inputChannels]
  }

  /// The number of channels of a value made by this builder.
  public func channelCount(of value: Graph.Value) -> Int { channels[value.index] }

  private mutating func append(
    _ name: String, _ operation: Graph.Operation, _ inputs: [Graph.Value], channels count: Int
  ) -> Graph.Value {
    nodes.append(Graph.Node(name: name, operation: operation, inputs: inputs))
    channels.append(count)
    return Graph.Value(index: nodes.count)
  }

  /// A convolution padded with (kernel - 1) / 2 zeros, rounded down: odd kernels with stride 1 keep the size.
  public mutating func convolution(
    _ input: Graph.Value, name: String, outputChannels: Int, kernel: [Int], stride: [Int]? = nil, bias: Bool
  ) -> Graph.Value {
    append(
      name,
      .convolution(
        .init(
          inputChannels: channelCount(of: input), outputChannels: outputChannels, kernel: kernel,
          stride: stride ?? kernel.map { _ in 1 }, padding: kernel.map { ($0 - 1) / 2 }, weight: "\(name).weight",
          bias: bias ? "\(name).bias" : nil)),
      [input], channels: outputChannels)
  }

  /// A transposed convolution whose kernel is its stride: every voxel becomes a block of `factors` voxels.
  public mutating func transposedConvolution(
    _ input: Graph.Value, name: String, outputChannels: Int, factors: [Int], bias: Bool
  ) -> Graph.Value {
    append(
      name,
      .transposedConvolution(
        .init(
          inputChannels: channelCount(of: input), outputChannels: outputChannels, kernel: factors, stride: factors,
          padding: factors.map { _ in 0 }, weight: "\(name).weight", bias: bias ? "\(name).bias" : nil)),
      [input], channels: outputChannels)
  }

  public mutating func instanceNorm(
    _ input: Graph.Value, name: String, epsilon: Double, affine: Bool = true
  ) -> Graph.Value {
    let norm = normalization(of: input, name: name, epsilon: epsilon, affine: affine)
    return append(name, .instanceNorm(norm), [input], channels: norm.channels)
  }

  public mutating func groupNorm(
    _ input: Graph.Value, name: String, groups: Int, epsilon: Double, affine: Bool = true
  ) -> Graph.Value {
    let norm = normalization(of: input, name: name, epsilon: epsilon, affine: affine)
    return append(name, .groupNorm(norm, groups: groups), [input], channels: norm.channels)
  }

  public mutating func batchNorm(
    _ input: Graph.Value, name: String, epsilon: Double, affine: Bool = true
  ) -> Graph.Value {
    let norm = normalization(of: input, name: name, epsilon: epsilon, affine: affine)
    return append(
      name, .batchNorm(norm, runningMean: "\(name).running_mean", runningVariance: "\(name).running_var"), [input],
      channels: norm.channels)
  }

  private func normalization(
    of input: Graph.Value, name: String, epsilon: Double, affine: Bool
  ) -> Graph.Operation.Normalization {
    .init(
      channels: channelCount(of: input), epsilon: epsilon, scale: affine ? "\(name).weight" : nil,
      shift: affine ? "\(name).bias" : nil)
  }

  public mutating func leakyReLU(_ input: Graph.Value, name: String, slope: Double) -> Graph.Value {
    append(name, .leakyReLU(slope: slope), [input], channels: channelCount(of: input))
  }

  public mutating func add(_ first: Graph.Value, _ second: Graph.Value, name: String) -> Graph.Value {
    append(name, .add, [first, second], channels: channelCount(of: first))
  }

  public mutating func concatenation(_ inputs: [Graph.Value], name: String) -> Graph.Value {
    append(name, .concatenation, inputs, channels: inputs.map(channelCount(of:)).reduce(0, +))
  }

  public mutating func averagePooling(_ input: Graph.Value, name: String, window: [Int]) -> Graph.Value {
    append(name, .averagePooling(window: window), [input], channels: channelCount(of: input))
  }

  public mutating func upsampling(
    _ input: Graph.Value, name: String, factors: [Int], _ interpolation: Graph.Operation.Interpolation
  ) -> Graph.Value {
    append(name, .upsampling(factors: factors, interpolation), [input], channels: channelCount(of: input))
  }

  public mutating func dropout(_ input: Graph.Value, name: String, probability: Double) -> Graph.Value {
    append(name, .dropout(probability: probability), [input], channels: channelCount(of: input))
  }

  /// The finished graph.
  ///
  /// `parameterOrder` lists beginnings of parameter names in the order in which PyTorch registers the modules, where
  /// that is not the order of execution.
  public func graph(
    name: String, outputs: [Graph.Value], parameterOrder: [String] = [], unusedParameterPrefixes: [String] = []
  ) -> Graph {
    var seen: Set<String> = []
    let used = nodes.flatMap(\.operation.parameters).filter { seen.insert($0.name).inserted }
    func rank(_ parameter: Graph.Parameter) -> Int {
      parameterOrder.firstIndex { parameter.name.hasPrefix($0) } ?? parameterOrder.count
    }
    let ordered = used.enumerated().sorted { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
    return Graph(
      name: name, spatialRank: spatialRank, inputChannels: inputChannels, nodes: nodes, outputs: outputs,
      parameters: ordered.map(\.element), unusedParameterPrefixes: unusedParameterPrefixes)
  }
}
