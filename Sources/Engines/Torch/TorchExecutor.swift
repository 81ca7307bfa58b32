import Basics
import Networks

/// A node as it is executed: an activation is part of the step before it where nobody else needs that one's result.
struct TorchStep {
  let node: Graph.Node
  /// The index of the value it computes.
  let result: Int
  /// Of the activation; 1 for none.
  var slope = 1.0
  /// Whether a normalisation takes away again what the bias of this convolution adds.
  var cancelsBias = false

  static func steps(of graph: Graph) -> [TorchStep] {
    var readers = [[Int]](repeating: [], count: graph.nodes.count + 1)
    for (index, node) in graph.nodes.enumerated() { for input in node.inputs { readers[input.index].append(index) } }
    for output in graph.outputs { readers[output.index].append(-1) }
    var isFused = [Bool](repeating: false, count: graph.nodes.count)
    var steps: [TorchStep] = []
    for (index, node) in graph.nodes.enumerated() where !isFused[index] {
      var step = TorchStep(node: node, result: index + 1)
      let next = readers[index + 1].count == 1 ? readers[index + 1][0] : -1
      if next >= 0 {
        switch (node.operation, graph.nodes[next].operation) {
        case (.instanceNorm, .leakyReLU(let slope)), (.groupNorm, .leakyReLU(let slope)),
          (.batchNorm, .leakyReLU(let slope)), (.add, .leakyReLU(let slope)):
          step = TorchStep(node: node, result: next + 1, slope: slope)
          isFused[next] = true
        case (.convolution, .instanceNorm), (.convolution, .batchNorm), (.transposedConvolution, .instanceNorm),
          (.transposedConvolution, .batchNorm):
          step.cancelsBias = true
        default: break
        }
      }
      steps.append(step)
    }
    return steps
  }
}

/// Runs a graph on a device, and back.
final class TorchExecutor {
  let graph: Graph
  let context: TorchContext
  let parameters: TorchParameters
  let steps: [TorchStep]
  var dropout = ChannelDropout()

  /// What the way back through a step needs.
  enum Record {
    /// The input of a convolution.
    case input(TorchTensor)
    case normalization(TorchNormalizationRecord)
    /// The result of an activation.
    case result(TorchTensor)
    /// The factors of dropout.
    case factors([Float])
  }
  var records: [Record?] = []
  var shapes: [[Int]] = []

  init(_ graph: Graph, parameters: TorchParameters, context: TorchContext) {
    self.graph = graph
    self.context = context
    self.parameters = parameters
    steps = TorchStep.steps(of: graph)
  }

  /// The outputs that are wanted; with `isTraining`, keeps what `backward` needs.
  func forward(
    _ input: TorchTensor, wanted: [Bool], isTraining: Bool
  ) throws -> [TorchTensor?] {
    records = []
    let shapes = try graph.shapes(forInput: input.shape)
    self.shapes = isTraining ? shapes : []
    let isNeeded = graph.nodesNeeded(for: wanted)
    let lastUses = lastUses(isNeeded)
    var records = [Record?](repeating: nil, count: isTraining ? steps.count : 0)
    var values = [TorchTensor?](repeating: nil, count: graph.nodes.count + 1)
    values[0] = input
    for (index, step) in steps.enumerated() where isNeeded[step.result - 1] {
      let inputs = try step.node.inputs.map { input in
        guard let value = values[input.index] else {
          throw Failure(.internalError, "node \(step.node.name) reads a value that is gone")
        }
        return value
      }
      let (value, record) = try run(step, inputs, shape: shapes[step.result], isTraining: isTraining)
      values[step.result] = value
      if isTraining { records[index] = record }
      for input in step.node.inputs where lastUses[input.index] == index { values[input.index] = nil }
    }
    self.records = records
    return zip(graph.outputs, wanted).map { $1 ? values[$0.index] : nil }
  }

  /// For each value the last step that reads it; the number of steps for outputs.
  private func lastUses(_ isNeeded: [Bool]) -> [Int] {
    var last = [Int](repeating: -1, count: graph.nodes.count + 1)
    for (index, step) in steps.enumerated() where isNeeded[step.result - 1] {
      for input in step.node.inputs { last[input.index] = index }
    }
    for output in graph.outputs { last[output.index] = steps.count }
    return last
  }

  private func run(
    _ step: TorchStep, _ inputs: [TorchTensor], shape: [Int], isTraining: Bool
  ) throws -> (TorchTensor, Record?) {
    guard let input = inputs.first else { throw Failure(.internalError, "node \(step.node.name) has no input") }
    switch step.node.operation {
    case .convolution(let convolution): return try convolve(input, convolution, isTransposed: false)
    case .transposedConvolution(let convolution): return try convolve(input, convolution, isTransposed: true)
    case .instanceNorm(let norm):
      return try normalize(input, norm, groups: norm.channels, slope: step.slope)
    case .groupNorm(let norm, let groups): return try normalize(input, norm, groups: groups, slope: step.slope)
    case .batchNorm(let norm, let mean, let variance):
      return try normalizeBatch(input, norm, [mean, variance], slope: step.slope, isTraining: isTraining)
    case .leakyReLU(let slope):
      let result = try context.activated(input, slope: slope)
      return (result, .result(result))
    case .add:
      guard inputs.count == 2 else {
        throw Failure(.internalError, "node \(step.node.name) adds other than two arrays")
      }
      let result = try context.sum(input, inputs[1], slope: step.slope)
      return (result, step.slope == 1 ? nil : .result(result))
    case .concatenation: return (try context.concatenated(inputs, shape: shape), nil)
    case .averagePooling(let window): return (try context.pooled(input, window: window), nil)
    case .upsampling(_, let interpolation): return (try context.enlarged(input, shape: shape, interpolation), nil)
    case .dropout(let probability):
      guard isTraining else { return (input, nil) }
      let factors = dropout.factors(count: shape[0] * shape[1], probability: probability)
      return (try context.scaled(input, by: factors), .factors(factors))
    }
  }

  private func convolve(
    _ input: TorchTensor, _ convolution: Graph.Operation.Convolution, isTransposed: Bool
  ) throws -> (TorchTensor, Record?) {
    let result = try context.convolve(
      input, convolution, weight: parameters.tensor(convolution.weight),
      bias: convolution.bias.map(parameters.tensor), isTransposed: isTransposed)
    return (result, .input(input))
  }

  private func normalize(
    _ input: TorchTensor, _ norm: Graph.Operation.Normalization, groups: Int, slope: Double
  ) throws -> (TorchTensor, Record?) {
    if context.usesOwnKernels {
      let (result, record, _) = try context.normalized(
        input, .groups(groups), epsilon: norm.epsilon, scale: parameters.pointer(norm.scale),
        shift: parameters.pointer(norm.shift), slope: slope)
      return (result, .normalization(record))
    }
    let (result, record) = try context.groupNormalized(
      input, groups: groups, epsilon: norm.epsilon, scale: norm.scale.map(parameters.tensor),
      shift: norm.shift.map(parameters.tensor), slope: slope)
    return (result, .normalization(record))
  }

  private func normalizeBatch(
    _ input: TorchTensor, _ norm: Graph.Operation.Normalization, _ running: [String], slope: Double, isTraining: Bool
  ) throws -> (TorchTensor, Record?) {
    guard context.usesOwnKernels else {
      let (result, record) = try context.batchNormalized(
        input, epsilon: norm.epsilon, parameters: batchParameters(norm, running), isTraining: isTraining, slope: slope)
      return (result, .normalization(record))
    }
    let kind: TorchNormalization =
      isTraining
      ? .batch : .fixed(mean: try parameters.floats(running[0]), variance: try parameters.floats(running[1]))
    let (result, record, statistics) = try context.normalized(
      input, kind, epsilon: norm.epsilon, scale: parameters.pointer(norm.scale), shift: parameters.pointer(norm.shift),
      slope: slope)
    if isTraining {
      try parameters.follow(running[0], statistics.means)
      try parameters.follow(running[1], statistics.variances)
    }
    return (result, .normalization(record))
  }

  /// Scale, shift, running mean and variance, in single precision, as PyTorch has them beside halved activations.
  func batchParameters(_ norm: Graph.Operation.Normalization, _ running: [String]) throws -> [TorchTensor?] {
    try [norm.scale, norm.shift, running[0], running[1]].map { try $0.map(parameters.exact) }
  }
}
