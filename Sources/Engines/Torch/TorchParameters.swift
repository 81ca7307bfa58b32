import Basics
import CKernels
import Checkpoints
import Networks

/// A network's parameters on a device: one block of memory for each of parameters, gradients and the arrays of the
/// optimiser, so that all of them can be changed in one go.
final class TorchParameters {
  let context: TorchContext
  private let graph: Graph
  private struct Place {
    var offset: Int
    var shape: [Int]
    var count: Int
  }
  private var places: [String: Place] = [:]
  /// In single precision.
  let values: TorchTensor
  private var views: [String: TorchTensor] = [:]
  /// Copies in the type that activations have, where that is another.
  private var halves: TorchTensor?
  private var halfViews: [String: TorchTensor] = [:]
  private var gradients: TorchTensor?
  private var withGradient: Set<String> = []
  /// What the optimiser remembers, by its name for it; zeros where it remembers nothing yet.
  private var state: [String: TorchTensor] = [:]
  /// The steps of the parameters that have been updated.
  private var steps: [String: Int] = [:]
  private var countsSteps = false

  init(_ graph: Graph, _ context: TorchContext) throws {
    self.graph = graph
    self.context = context
    var offset = 0
    for parameter in graph.parameters {
      places[parameter.name] = Place(offset: offset, shape: parameter.shape, count: parameter.count)
      // Every parameter begins where vector registers can be loaded at once.
      offset += (parameter.count + 15) / 16 * 16
    }
    values = try context.library.empty([max(16, offset)], on: context.device)
    try values.fillWithZeros()
    views = try self.views(of: values)
    if context.element != .float32 {
      let halves = try context.library.empty(values.shape, element: context.element, on: context.device)
      self.halves = halves
      halfViews = try self.views(of: halves)
    }
  }

  private func views(of block: TorchTensor) throws -> [String: TorchTensor] {
    try places.mapValues {
      try block.part(offset: $0.offset, shape: $0.shape, strides: context.layout.strides($0.shape))
    }
  }

  // MARK: Use

  /// Brings the copies in another type up to date.
  func refresh() throws { try halves?.copy(from: values) }

  /// The parameter in the type of activations.
  func tensor(_ name: String) throws -> TorchTensor {
    try found(halves == nil ? views[name] : halfViews[name], name)
  }

  /// The parameter in single precision.
  func exact(_ name: String) throws -> TorchTensor { try found(views[name], name) }

  /// The numbers of a parameter with one axis, on a processor.
  func pointer(_ name: String?) throws -> UnsafePointer<Float>? {
    guard let name else { return nil }
    return UnsafePointer(try values.values + found(places[name], name).offset)
  }

  func floats(_ name: String) throws -> [Float] {
    let memory = try context.download(exact(name))
    return Array(memory.values)
  }

  /// running = 0.9 running + 0.1 new, on a processor.
  func follow(_ name: String, _ new: [Double]) throws {
    let running = try values.values + found(places[name], name).offset
    for index in new.indices { running[index] = Float(0.9 * Double(running[index]) + 0.1 * new[index]) }
  }

  private func found<Value>(_ value: Value?, _ name: String) throws -> Value {
    guard let value else { throw Failure(.internalError, "there is no parameter \(name)") }
    return value
  }

  // MARK: Gradients

  func clearGradients() throws {
    withGradient = []
    if gradients == nil {
      gradients = try context.library.empty(values.shape, on: context.device)
    }
    // What has no gradient must not count in the norm.
    try gradients?.fillWithZeros()
  }

  /// Adds to the gradient of a parameter; nil adds nothing, but the parameter counts as having one.
  func addGradient(_ gradient: TorchTensor?, to name: String) throws {
    let place = try found(places[name], name)
    let isFirst = withGradient.insert(name).inserted
    guard let gradient, let gradients else { return }
    let part = try gradients.part(
      offset: place.offset, shape: place.shape, strides: context.layout.strides(place.shape))
    try part.copy(from: isFirst ? gradient : context.library.sum(part, gradient, on: context.device))
  }

  func addGradient(_ gradient: [Float], to name: String) throws {
    try gradient.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      try addGradient(context.library.view(base, [gradient.count]), to: name)
    }
  }

  // MARK: Steps

  /// Clips and takes one step; returns the norm before clipping.
  func update(_ rule: GradientDescent) throws -> Double {
    guard let gradients, !withGradient.isEmpty else { return 0 }
    let norm = try self.norm(of: gradients) * rule.gradientFactor
    guard norm.isFinite else { return norm }
    let factor = rule.gradientFactor * rule.clippingFactor(norm: norm)
    let arrays = try rule.optimizer.arrayNames.map(stateBlock)
    countsSteps = rule.optimizer.countsSteps
    for name in withGradient { steps[name, default: 0] += 1 }
    if context.usesOwnKernels {
      try step(rule, factor: factor, gradients, arrays, stretches)
    } else {
      try stepInLibrary(rule, factor: factor, gradients, arrays, stretches)
    }
    return norm
  }

  private func stateBlock(_ name: String) throws -> TorchTensor {
    if let block = state[name] { return block }
    let block = try context.library.empty(values.shape, on: context.device)
    try block.fillWithZeros()
    state[name] = block
    return block
  }

  /// Parameters with gradients that lie side by side, and the steps they have taken, the next one included.
  struct Stretch {
    var range: Range<Int>
    var steps: Int
  }

  private var stretches: [Stretch] {
    var stretches: [Stretch] = []
    for parameter in graph.parameters where withGradient.contains(parameter.name) {
      guard let place = places[parameter.name] else { continue }
      let range = place.offset..<place.offset + (place.count + 15) / 16 * 16
      let count = countsSteps ? steps[parameter.name] ?? 1 : 1
      if let last = stretches.last, last.range.upperBound == range.lowerBound, last.steps == count {
        stretches[stretches.count - 1].range = last.range.lowerBound..<range.upperBound
      } else {
        stretches.append(Stretch(range: range, steps: count))
      }
    }
    return stretches
  }

  private func norm(of gradients: TorchTensor) throws -> Double {
    guard context.usesOwnKernels else {
      let squares = try context.library.compute("aten::dot", [.tensor(gradients), .tensor(gradients)])
      return Double(try squares.item()).squareRoot()
    }
    let g = try gradients.values
    let pieces = max(1, gradients.count >> 16)
    var sums = [Double](repeating: 0, count: pieces)
    let count = gradients.count
    sums.withUnsafeMutableBufferPointer { sums in
      guard let base = sums.baseAddress else { return }
      context.library.parallel(pieces) { some in
        for piece in some {
          let range = count * piece / pieces..<count * (piece + 1) / pieces
          base[piece] = mt_square_sum(g + range.lowerBound, range.count)
        }
      }
    }
    return sums.reduce(0, +).squareRoot()
  }

  // MARK: Exchange

  func parameters() throws -> [String: Tensor] { try tensors(views, Set(views.keys)) }

  func optimizerState() throws -> OptimizerState {
    let names = Set(steps.keys)
    return OptimizerState(
      arrays: try state.filter { _ in !names.isEmpty }.mapValues { try tensors(views(of: $0), names) },
      steps: countsSteps ? steps : [:])
  }

  private func tensors(_ views: [String: TorchTensor], _ names: Set<String>) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for name in names {
      let view = try found(views[name], name)
      let storage = try TensorStorage(count: view.count * 4) { memory in
        try context.download(view, to: memory.bindMemory(to: Float.self))
      }
      tensors[name] = try Tensor(elementType: .float32, shape: view.shape, storage: storage)
    }
    return tensors
  }

  /// Replaces parameters, and what the optimiser remembers by what is given.
  func load(_ parameters: [String: Tensor], state given: OptimizerState = OptimizerState()) throws {
    try load(parameters.filter { places[$0.key] != nil }, to: views)
    withGradient = []
    state = [:]
    steps = given.steps
    countsSteps = !given.steps.isEmpty
    for (name, arrays) in given.arrays {
      try load(arrays, to: views(of: stateBlock(name)))
      steps.merge(arrays.keys.map { ($0, 0) }) { counted, _ in counted }
    }
  }

  private func load(_ tensors: [String: Tensor], to views: [String: TorchTensor]) throws {
    for (name, tensor) in tensors {
      let view = try found(views[name], name)
      try tensor.withContiguousFloats { values in
        guard let base = values.baseAddress else { return }
        try context.library.fill(view, from: base, on: context.device)
      }
    }
  }
}
