import Basics
import Checkpoints
import Networks

/// A network that PyTorch's kernels run and differentiate. Its parameters stay on the device.
final class TorchTrainable: DeviceTrainableNetwork {
  let graph: Graph
  let precision: Precision
  let notes: [String]
  let math: DeviceMath
  private let context: TorchContext
  private let parameterBlock: TorchParameters
  private let executor: TorchExecutor
  private var results: [HostMemory?] = []

  init(
    _ graph: Graph, parameters: [String: Tensor], context: TorchContext, precision: Precision, notes: [String]
  ) throws {
    self.graph = graph
    self.precision = precision
    self.notes = notes
    self.context = context
    math = DeviceMath(context.numbers)
    try graph.check(parameters: parameters, state: OptimizerState())
    parameterBlock = try TorchParameters(graph, context)
    executor = TorchExecutor(graph, parameters: parameterBlock, context: context)
    try parameterBlock.load(parameters)
  }

  func forward(
    _ input: UnsafeBufferPointer<Float>, shape: [Int], wanted: [Bool], isTraining: Bool
  ) throws -> [HostArray?] {
    try graph.check(input: input.count, shape: shape, wanted: wanted)
    let outputs = try run(context.upload(input, shape: shape), wanted: wanted, isTraining: isTraining)
    results = try outputs.map { try $0.map(context.download) }
    return zip(outputs, results).map { output, memory in
      guard let output, let memory else { return nil }
      return HostArray(shape: output.shape, values: UnsafeBufferPointer(memory.values))
    }
  }

  func seedDropout(_ seed: UInt64) { executor.dropout = ChannelDropout(seed: seed) }

  func backward(_ gradients: [UnsafeBufferPointer<Float>?]) throws {
    try differentiate(gradients, count: \.count) { try context.upload($0, shape: $1) }
  }

  func forward(_ input: DeviceArray, wanted: [Bool], isTraining: Bool) throws -> [DeviceArray?] {
    try graph.check(input: input.count, shape: input.shape, wanted: wanted)
    return try run(arranged(input), wanted: wanted, isTraining: isTraining).map { output in
      try output.map { try math.single(DeviceArray(tensor: $0)) }
    }
  }

  func backward(_ gradients: [DeviceArray?]) throws {
    try differentiate(gradients, count: \.count) { gradient, _ in try arranged(gradient) }
  }

  private func run(_ input: TorchTensor, wanted: [Bool], isTraining: Bool) throws -> [TorchTensor?] {
    results = []
    try parameterBlock.refresh()
    return try executor.forward(input, wanted: wanted, isTraining: isTraining)
  }

  /// - Parameter tensor: makes the executor's gradient, given the shape of its output.
  private func differentiate<Gradient>(
    _ gradients: [Gradient?], count: (Gradient) -> Int, tensor: (Gradient, [Int]) throws -> TorchTensor
  ) throws {
    let shapes = executor.shapes
    guard gradients.count == graph.outputs.count, !shapes.isEmpty else {
      throw Failure(.internalError, "\(graph.name) has not been run forward for training")
    }
    try executor.backward(
      zip(graph.outputs, gradients).map { output, gradient in
        guard let gradient else { return nil }
        guard count(gradient) == shapes[output.index].reduce(1, *) else {
          throw Failure(.internalError, "the gradient of an output of \(graph.name) has the wrong size")
        }
        return try tensor(gradient, shapes[output.index])
      })
  }

  /// In the type and the order that the context's arrays have.
  private func arranged(_ array: DeviceArray) throws -> TorchTensor {
    let tensor = try context.empty(array.shape)
    try tensor.copy(from: array.tensor)
    return tensor
  }

  func update(_ rule: GradientDescent) throws -> Double { try parameterBlock.update(rule) }

  func parameters() throws -> [String: Tensor] { try parameterBlock.parameters() }

  func optimizerState() throws -> OptimizerState { try parameterBlock.optimizerState() }

  func restore(parameters: [String: Tensor], state: OptimizerState) throws {
    try graph.check(parameters: parameters, state: state)
    try parameterBlock.load(parameters, state: state)
  }
}
