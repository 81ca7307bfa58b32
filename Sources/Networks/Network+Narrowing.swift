import Basics
import Checkpoints

extension Graph {
  /// Whether `narrow` has every node of this graph, with no more channels, so that it can begin with a part of its
  /// parameters.
  public func canNarrow(to narrow: Graph) -> Bool { (try? ChannelGroups(self).sizes(in: narrow)) != nil }
}

extension Network {
  /// The parameters of a narrower network of the same operations: of each layer's channels those that matter most.
  ///
  /// Structured pruning by magnitude (after Li et al. 2017, "Pruning Filters for Efficient ConvNets"). A channel counts as
  /// much as it is large, times what the convolutions that read it do with it. Channels that are added to each other are
  /// kept or left together.
  ///
  /// - Parameter narrow: has every node of this graph, by name, with at most as many channels, and perhaps more outputs.
  /// - Returns: the parameters that both graphs have, in the narrow one's shapes.
  /// - Throws: `usage` when the graphs do not correspond.
  public func narrowed(to narrow: Graph) throws -> [String: Tensor] {
    let channels = try ChannelGroups(graph)
    let counts = try channels.sizes(in: narrow)
    let importance = channels.importance(in: self)
    let kept = zip(importance, counts).map { scores, count in
      scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(count).sorted()
    }
    var result: [String: Tensor] = [:]
    for (index, node) in graph.nodes.enumerated() {
      let from = channels.kept(kept, of: node.inputs.first ?? .input)
      let to = channels.kept(kept, of: Graph.Value(index: index + 1))
      let isTransposed = if case .transposedConvolution = node.operation { true } else { false }
      for parameter in node.operation.parameters {
        guard let tensor = weights[parameter.name] else { continue }
        let matrix = parameter.shape.count > 1
        result[parameter.name] = try tensor.taking(
          rows: isTransposed && matrix ? from : to, columns: matrix ? (isTransposed ? to : from) : nil)
      }
    }
    return result
  }
}

/// Which channels of a graph's values stand or fall together.
private struct ChannelGroups {
  let graph: Graph
  /// For each value the groups its channels consist of, one after the other.
  private var groups: [[Int]]
  private var sizes: [Int]

  /// Throws `usage` when values of unlike composition are added.
  init(_ graph: Graph) throws {
    self.graph = graph
    groups = [[0]]
    sizes = [graph.inputChannels]
    for node in graph.nodes {
      let inputs = node.inputs.map { groups[$0.index] }
      switch node.operation {
      case .convolution(let convolution), .transposedConvolution(let convolution):
        groups.append([sizes.count])
        sizes.append(convolution.outputChannels)
      case .concatenation: groups.append(inputs.flatMap { $0 })
      case .add:
        for other in inputs.dropFirst() { try join(other, with: inputs[0], node) }
        groups.append(groups[node.inputs[0].index])
      case .instanceNorm, .groupNorm, .batchNorm, .leakyReLU, .averagePooling, .upsampling, .dropout:
        groups.append(inputs[0])
      }
    }
  }

  private mutating func join(_ some: [Int], with others: [Int], _ node: Graph.Node) throws {
    guard some.map({ sizes[$0] }) == others.map({ sizes[$0] }), !some.contains(0) || some == others else {
      throw Failure(.usage, "\(node.name) adds channels that cannot be left out together")
    }
    let renamed = Dictionary(zip(some, others), uniquingKeysWith: { first, _ in first })
    groups = groups.map { $0.map { renamed[$0] ?? $0 } }
  }

  /// Throws `usage` when a node is missing in the narrow graph, is another operation there, or has more channels.
  func sizes(in narrow: Graph) throws -> [Int] {
    let nodes = Dictionary(narrow.nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var result = sizes
    func differ(_ what: String) -> Failure {
      Failure(
        .usage, "the weights of the wide network cannot be inherited: \(what)",
        hint: "both networks need the same stages, kernels and numbers of blocks")
    }
    guard narrow.inputChannels == graph.inputChannels else { throw differ("the inputs have other channels") }
    for (index, node) in graph.nodes.enumerated() {
      guard let other = nodes[node.name] else { throw differ("there is no \(node.name) in the narrow one") }
      switch (node.operation, other.operation) {
      case (.convolution(let wide), .convolution(let convolution)),
        (.transposedConvolution(let wide), .transposedConvolution(let convolution)):
        guard wide.kernel == convolution.kernel, (wide.bias == nil) == (convolution.bias == nil) else {
          throw differ("\(node.name) has another kernel or bias")
        }
        let group = groups[index + 1][0]
        guard convolution.outputChannels <= sizes[group] else { throw differ("\(node.name) has fewer channels") }
        guard !graph.outputs.contains(.init(index: index + 1)) || convolution.outputChannels == sizes[group] else {
          throw differ("the answers have other channels")
        }
        result[group] = convolution.outputChannels
      default:
        guard node.operation.parameters.map(\.name) == other.operation.parameters.map(\.name) else {
          throw differ("\(node.name) is another operation in the narrow one")
        }
      }
    }
    return result
  }

  /// For each group what each of its channels is worth.
  func importance(in network: Network) -> [[Double]] {
    // The energy of a channel as it leaves its layer: of the filter, or of the normalisation where there is one.
    var energy = sizes.map { [Double](repeating: 0, count: $0) }
    var isNormalised = sizes.map { _ in false }
    var use = energy
    func floats(_ name: String?) -> [Float]? { name.flatMap { network.weights[$0]?.floats() } }
    for (index, node) in graph.nodes.enumerated() {
      let target = groups[index + 1][0]
      switch node.operation {
      case .convolution(let convolution), .transposedConvolution(let convolution):
        guard let weight = network.weights[convolution.weight] else { continue }
        let squares = weight.sumsOfSquares()
        let isTransposed = if case .transposedConvolution = node.operation { true } else { false }
        let (outputs, inputs) = isTransposed ? (squares.columns, squares.rows) : (squares.rows, squares.columns)
        if !isNormalised[target] { for (channel, sum) in outputs.enumerated() { energy[target][channel] += sum } }
        var start = 0
        for source in groups[node.inputs[0].index] {
          for channel in 0..<sizes[source] { use[source][channel] += inputs[start + channel] }
          start += sizes[source]
        }
      case .instanceNorm(let norm), .groupNorm(let norm, _), .batchNorm(let norm, _, _):
        guard let scale = floats(norm.scale), let shift = floats(norm.shift), scale.count == sizes[target] else {
          continue
        }
        if !isNormalised[target] { energy[target] = energy[target].map { _ in 0 } }
        isNormalised[target] = true
        for channel in scale.indices {
          energy[target][channel] += Double(scale[channel] * scale[channel] + shift[channel] * shift[channel])
        }
      default: continue
      }
    }
    return zip(energy, use).map { zip($0, $1).map { $0 * $1 } }
  }

  /// The channels of a value that are kept.
  func kept(_ kept: [[Int]], of value: Graph.Value) -> [Int] {
    var start = 0
    return groups[value.index].flatMap { group in
      defer { start += sizes[group] }
      return kept[group].map { $0 + start }
    }
  }
}

extension Tensor {
  /// Some entries of the first axis and, unless nil, of the second.
  fileprivate func taking(rows: [Int], columns: [Int]?) throws -> Tensor {
    let source = floats()
    let width = columns == nil ? 1 : shape[1]
    let inner = shape.dropFirst(columns == nil ? 1 : 2).reduce(1, *)
    var taken: [Float] = []
    taken.reserveCapacity(rows.count * (columns?.count ?? 1) * inner)
    for row in rows {
      for column in columns ?? [0] {
        let start = (row * width + column) * inner
        taken += source[start..<start + inner]
      }
    }
    return try Tensor(
      floats: taken, shape: [rows.count] + (columns.map { [$0.count] } ?? []) + shape.dropFirst(columns == nil ? 1 : 2))
  }

  /// For each entry of the first and of the second axis.
  fileprivate func sumsOfSquares() -> (rows: [Double], columns: [Double]) {
    let values = floats()
    var rows = [Double](repeating: 0, count: shape[0])
    var columns = [Double](repeating: 0, count: shape[1])
    let inner = shape.dropFirst(2).reduce(1, *)
    for row in rows.indices {
      for column in columns.indices {
        let start = (row * columns.count + column) * inner
        let sum = values[start..<start + inner].reduce(0.0) { $0 + Double($1 * $1) }
        rows[row] += sum
        columns[column] += sum
      }
    }
    return (rows, columns)
  }
}
