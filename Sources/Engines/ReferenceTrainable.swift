import Basics
import Checkpoints
import Networks

extension ReferenceEngine: TrainingEngine {
  public func makeTrainable(
    _ graph: Graph, parameters: [String: Tensor], options: CompileOptions
  ) throws -> any TrainableNetwork {
    try check(options)
    return try ReferenceTrainable(graph, parameters: parameters)
  }
}

/// A network that is trained in plain scalar Swift, so that training can be tested without any library.
final class ReferenceTrainable: TrainableNetwork {
  let graph: Graph
  private var values: [String: [Float]] = [:]
  /// By the optimiser's name of the array, then by parameter.
  private var state: [String: [String: [Float]]] = [:]
  private var steps: [String: Int] = [:]
  private var gradients: [String: [Float]] = [:]
  private var dropout = ChannelDropout()
  /// Of the last forward pass: every value, and what dropout multiplied the channels with.
  private var arrays: [ReferenceArray?] = []
  private var factors: [Int: [Float]] = [:]
  private var results: [HostMemory?] = []

  init(_ graph: Graph, parameters: [String: Tensor]) throws {
    self.graph = graph
    try restore(parameters: parameters, state: OptimizerState())
  }

  var precision: Precision { .fp32 }
  var notes: [String] { [] }

  func forward(
    _ input: UnsafeBufferPointer<Float>, shape: [Int], wanted: [Bool], isTraining: Bool
  ) throws -> [HostArray?] {
    let shapes = try graph.shapes(forInput: shape)
    try graph.check(input: input.count, shape: shape, wanted: wanted)
    let isNeeded = graph.nodesNeeded(for: wanted)
    arrays = [ReferenceArray(shape: shape, values: Array(input))]
    factors = [:]
    for (index, node) in graph.nodes.enumerated() {
      guard isNeeded[index] else {
        arrays.append(nil)
        continue
      }
      let inputs = try node.inputs.map(array)
      arrays.append(
        isTraining
          ? try train(node, at: index, inputs, shape: shapes[index + 1])
          : try node.operation.evaluate(inputs, shape: shapes[index + 1], parameters: values))
    }
    results = try zip(graph.outputs, wanted).map { output, isWanted in
      isWanted ? HostMemory(try array(output).values) : nil
    }
    let answers = zip(graph.outputs, results).map { output, memory in
      memory.map { HostArray(shape: shapes[output.index], values: UnsafeBufferPointer($0.values)) }
    }
    if !isTraining { arrays = [] }
    return answers
  }

  /// What the operation computes while training, where that differs from what it computes later.
  private func train(
    _ node: Graph.Node, at index: Int, _ inputs: [ReferenceArray], shape: [Int]
  ) throws -> ReferenceArray {
    switch node.operation {
    case .dropout(let probability):
      let channels = dropout.factors(count: shape[0] * shape[1], probability: probability)
      factors[index] = channels
      return inputs[0].scaled(by: channels)
    case .batchNorm(_, let mean, let variance):
      let (means, variances) = inputs[0].batchStatistics
      var batch = values
      batch[mean] = means.map(Float.init)
      batch[variance] = variances.map(Float.init)
      // PyTorch's momentum of 0.1, and its unbiased estimate of the variance.
      let count = Double(shape[0] * inputs[0].voxels)
      let correction = count > 1 ? count / (count - 1) : 1
      follow(mean, means)
      follow(variance, variances.map { $0 * correction })
      return try node.operation.evaluate(inputs, shape: shape, parameters: batch)
    default: return try node.operation.evaluate(inputs, shape: shape, parameters: values)
    }
  }

  private func follow(_ name: String, _ new: [Double]) {
    values[name] = zip(values[name] ?? [], new).map { Float(0.9 * Double($0) + 0.1 * $1) }
  }

  private func array(_ value: Graph.Value) throws -> ReferenceArray {
    guard arrays.indices.contains(value.index), let array = arrays[value.index] else {
      throw Failure(.internalError, "a value of \(graph.name) was not computed, or not for training")
    }
    return array
  }

  func seedDropout(_ seed: UInt64) { dropout = ChannelDropout(seed: seed) }

  func backward(_ gradients: [UnsafeBufferPointer<Float>?]) throws {
    self.gradients = [:]
    var pending: [[Float]?] = Array(repeating: nil, count: graph.nodes.count + 1)
    for (output, gradient) in zip(graph.outputs, gradients) {
      guard let gradient else { continue }
      guard gradient.count == (try array(output).values.count) else {
        throw Failure(.internalError, "the gradient of an output of \(graph.name) has the wrong size")
      }
      add(Array(gradient), to: &pending[output.index])
    }
    for (index, node) in graph.nodes.enumerated().reversed() {
      guard let gradient = pending[index + 1] else { continue }
      pending[index + 1] = nil
      let result = try node.operation.gradients(
        gradient, shape: try array(.init(index: index + 1)).shape, inputs: try node.inputs.map(array),
        parameters: values, factors: factors[index])
      for (input, gradient) in zip(node.inputs, result.inputs) { add(gradient, to: &pending[input.index]) }
      for (name, gradient) in result.parameters { add(gradient, to: &self.gradients[name]) }
    }
  }

  private func add(_ addend: [Float], to sum: inout [Float]?) {
    guard let old = sum else {
      sum = addend
      return
    }
    sum = zip(old, addend).map { $0 + $1 }
  }

  func update(_ rule: GradientDescent) throws -> Double {
    let squares = gradients.values.reduce(0.0) { $1.reduce($0) { $0 + Double($1) * Double($1) } }
    let norm = squares.squareRoot() * rule.gradientFactor
    guard norm.isFinite else { return norm }
    let factor = rule.gradientFactor * rule.clippingFactor(norm: norm)
    let names = rule.optimizer.arrayNames
    for (name, gradient) in gradients {
      guard var parameter = values[name] else { continue }
      let count = steps[name, default: 0] + 1
      var arrays = names.map { state[$0]?[name] ?? [Float](repeating: 0, count: gradient.count) }
      for index in gradient.indices {
        var memory = arrays.map { Double($0[index]) }
        parameter[index] = Float(
          rule.step(Double(parameter[index]), slope: Double(gradient[index]) * factor, &memory, count: count))
        for place in memory.indices { arrays[place][index] = Float(memory[place]) }
      }
      values[name] = parameter
      steps[name] = count
      for (array, values) in zip(names, arrays) { state[array, default: [:]][name] = values }
    }
    if !rule.optimizer.countsSteps { steps = [:] }
    return norm
  }

  func parameters() throws -> [String: Tensor] { try tensors(values) }

  func optimizerState() throws -> OptimizerState {
    OptimizerState(arrays: try state.mapValues(tensors), steps: steps)
  }

  func restore(parameters: [String: Tensor], state: OptimizerState) throws {
    try graph.check(parameters: parameters, state: state)
    let names = Set(graph.parameters.map(\.name))
    values = parameters.filter { names.contains($0.key) }.mapValues { $0.floats() }
    self.state = state.arrays.mapValues { $0.mapValues { $0.floats() } }
    steps = state.steps
    gradients = [:]
  }

  private func tensors(_ arrays: [String: [Float]]) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for parameter in graph.parameters {
      guard let values = arrays[parameter.name] else { continue }
      tensors[parameter.name] = try Tensor(floats: values, shape: parameter.shape)
    }
    return tensors
  }
}

extension GradientDescent {
  /// What becomes of one number; the formulas as they are written.
  ///
  /// - Parameters:
  ///   - slope: its gradient, clipped.
  ///   - memory: what the optimiser remembers of it, in the order of `arrayNames`.
  ///   - count: the steps it has taken, this one included.
  fileprivate func step(_ value: Double, slope: Double, _ memory: inout [Double], count: Int) -> Double {
    func correction(_ kept: Double) -> Double { Optimizer.correction(kept, count) }
    switch optimizer {
    case .nesterov(let momentum):
      let slope = slope + decay * value
      memory[0] = momentum * memory[0] + slope
      return value - rate * (slope + momentum * memory[0])
    case .adam(let adam):
      let slope = adam.isDecoupled ? slope : slope + decay * value
      let value = adam.isDecoupled ? value * (1 - rate * decay) : value
      memory[0] += (1 - adam.beta1) * (slope - memory[0])
      memory[1] = adam.beta2 * memory[1] + (1 - adam.beta2) * slope * slope
      if adam.keepsLargest { memory[2] = max(memory[2], memory[1]) }
      let square = adam.keepsLargest ? memory[2] : memory[1]
      let divisor = (square * correction(adam.beta2)).squareRoot() + adam.epsilon
      return value - rate * correction(adam.beta1) * memory[0] / divisor
    case .adan(let adan):
      if count > 1 {
        let change = slope - memory[0]
        let ahead = slope + (1 - adan.b) * change
        memory[1] += adan.a * (slope - memory[1])
        memory[2] += adan.b * (change - memory[2])
        memory[3] += adan.c * (ahead * ahead - memory[3])
      }
      memory[0] = slope
      let divisor = (memory[3] * correction(1 - adan.c)).squareRoot() + adan.epsilon
      let direction = memory[1] * correction(1 - adan.a) + (1 - adan.b) * memory[2] * correction(1 - adan.b)
      return (value - rate * direction / divisor) / (1 + rate * decay)
    }
  }

}

extension Graph {
  /// Throws `internalError` when what is passed to a forward pass does not fit together.
  func check(input count: Int, shape: [Int], wanted: [Bool]) throws {
    guard count == shape.reduce(1, *), wanted.count == outputs.count else {
      throw Failure(.internalError, "the arguments of a forward pass of \(name) do not fit together")
    }
  }

  /// Throws `badInput` when a parameter is missing or something has the wrong shape.
  func check(parameters: [String: Tensor], state: OptimizerState) throws {
    var shapes: [String: [Int]] = [:]
    for parameter in self.parameters {
      shapes[parameter.name] = parameter.shape
      guard parameters[parameter.name]?.shape == parameter.shape else {
        throw Failure(.badInput, "\(parameter.name) is missing, or has another shape than \(parameter.shape)")
      }
    }
    for (kind, arrays) in state.arrays {
      for (name, array) in arrays where shapes[name] != array.shape {
        throw Failure(.badInput, "the optimizer's \(kind) of \(name) does not belong to this network")
      }
    }
  }
}
