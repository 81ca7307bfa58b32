import Basics
import CKernels
import Networks

/// Where and how the operations of a network run.
///
/// On a processor, arrays are channels-last, which PyTorch's convolutions take without rearranging them, and what lies
/// between convolutions is done by kernels of our own. Elsewhere every operation is PyTorch's.
struct TorchContext {
  let library: TorchLibrary
  let device: TorchDevice
  /// What activations are stored in.
  let element: TorchElement
  /// Whether kernels of our own are used; only possible with float32 on a processor.
  let usesOwnKernels: Bool
  /// Convolutions of our own.
  let trainer: NativeTrainer?
  let numbers: TorchNumbers

  init(
    _ library: TorchLibrary, device: TorchDevice, element: TorchElement, usesOwnKernels: Bool = true,
    trainer: NativeTrainer? = nil
  ) {
    self.library = library
    self.device = device
    self.element = element
    self.usesOwnKernels = usesOwnKernels && device == .cpu && element == .float32
    self.trainer = self.usesOwnKernels ? trainer : nil
    numbers = TorchNumbers(library, device)
  }

  var layout: TorchLayout { usesOwnKernels ? .channelsLast : .contiguous }

  func empty(_ shape: [Int]) throws -> TorchTensor {
    try library.empty(shape, layout: layout, element: element, on: device)
  }

  /// The tensor itself, or a copy if it does not lie as the context's arrays do.
  func arranged(_ tensor: TorchTensor) throws -> TorchTensor {
    if tensor.lies(in: layout) { return tensor }
    let copy = try empty(tensor.shape)
    try copy.copy(from: tensor)
    return copy
  }

  /// A copy of contiguous numbers in host memory.
  func upload(_ values: UnsafeBufferPointer<Float>, shape: [Int]) throws -> TorchTensor {
    let tensor = try empty(shape)
    guard let base = values.baseAddress else { throw Failure(.internalError, "an empty array has nothing to copy") }
    try library.fill(tensor, from: base, on: device)
    return tensor
  }

  /// A copy in host memory, contiguous.
  func download(_ tensor: TorchTensor) throws -> HostMemory {
    let memory = HostMemory(count: tensor.count)
    try download(tensor, to: memory.values)
    return memory
  }

  func download(_ tensor: TorchTensor, to memory: UnsafeMutableBufferPointer<Float>) throws {
    guard let base = memory.baseAddress else { return }
    try library.view(base, tensor.shape).copy(from: tensor)
  }

  /// Calls `body` with parts of the elements of arrays of `count`, in parallel.
  func forElements(_ count: Int, _ body: (_ start: Int, _ count: Int) -> Void) {
    library.parallel(count, grain: 1 << 15) { body($0.lowerBound, $0.count) }
  }
}

// MARK: Sums and activations

extension TorchContext {
  func activated(_ input: TorchTensor, slope: Double) throws -> TorchTensor {
    guard usesOwnKernels else {
      return try library.compute("aten::_prelu_kernel", [.tensor(input), .tensor(numbers.tensor(slope, element))])
    }
    let result = try empty(input.shape)
    let (from, to) = (try input.values, try result.values)
    // An activation is the gradient of an activation whose result and gradient are both its input.
    forElements(input.count) { start, count in
      mt_activation_gradient(from + start, from + start, to + start, count, Float(slope))
    }
    return result
  }

  /// The gradient in front of an activation whose result was `result`; reuses the memory of `gradient` if nobody else
  /// has it.
  func activationGradient(
    _ gradient: inout TorchTensor, result: TorchTensor, slope: Double
  ) throws -> TorchTensor {
    guard usesOwnKernels else {
      let both = try library.call(
        "aten::_prelu_kernel_backward", [.tensor(gradient), .tensor(result), .tensor(numbers.tensor(slope, element))],
        keeping: [true, false])
      return both[0] ?? gradient
    }
    let target = isKnownUniquelyReferenced(&gradient) ? gradient : try empty(gradient.shape)
    let (from, answer, to) = (try gradient.values, try result.values, try target.values)
    forElements(result.count) { start, count in
      mt_activation_gradient(answer + start, from + start, to + start, count, Float(slope))
    }
    return target
  }

  /// The activated sum; `slope` 1 for no activation.
  func sum(_ one: TorchTensor, _ other: TorchTensor, slope: Double) throws -> TorchTensor {
    guard usesOwnKernels else {
      let sum = try plainSum(one, other)
      return slope == 1 ? sum : try activated(sum, slope: slope)
    }
    let result = try empty(one.shape)
    let (x, y, to) = (try one.values, try other.values, try result.values)
    forElements(one.count) { start, count in
      mt_add_activate(x + start, y + start, to + start, count, Float(slope))
    }
    return result
  }

  private func plainSum(_ one: TorchTensor, _ other: TorchTensor) throws -> TorchTensor {
    try library.sum(one, other, on: device)
  }

  /// Adds a gradient to another, in place if nobody else has it.
  func accumulate(_ sum: inout TorchTensor?, _ addend: TorchTensor) throws {
    guard var old = sum.take() else {
      sum = addend
      return
    }
    guard usesOwnKernels else {
      sum = try plainSum(old, addend)
      return
    }
    if isKnownUniquelyReferenced(&old) {
      let (to, from) = (try old.values, try addend.values)
      forElements(old.count) { start, count in mt_accumulate(to + start, from + start, count) }
      sum = old
    } else {
      sum = try self.sum(old, addend, slope: 1)
    }
  }
}

// MARK: Channels

extension TorchContext {
  func concatenated(_ inputs: [TorchTensor], shape: [Int]) throws -> TorchTensor {
    guard usesOwnKernels else { return try library.compute("aten::cat", [.tensors(inputs), .integer(1)]) }
    let result = try empty(shape)
    let channels = shape[1]
    var first = 0
    for input in inputs {
      let (from, to) = (try input.values, try result.values + first)
      let count = input.shape[1]
      library.parallel(shape[0] * shape[2...].reduce(1, *), grain: 1 << 10) { voxels in
        mt_copy_channels(
          from + voxels.lowerBound * count, count, to + voxels.lowerBound * channels, channels, count, voxels.count)
      }
      first += count
    }
    return result
  }

  /// The channels `first..<first + count` of a tensor.
  func channels(of tensor: TorchTensor, from first: Int, count: Int) throws -> TorchTensor {
    var shape = tensor.shape
    let channels = shape[1]
    shape[1] = count
    let voxels = shape[2...].reduce(1, *)
    let result = try empty(shape)
    guard usesOwnKernels else {
      try result.copy(from: tensor.part(offset: first * voxels, shape: shape, strides: tensor.strides))
      return result
    }
    let (from, to) = (try tensor.values + first, try result.values)
    library.parallel(shape[0] * voxels, grain: 1 << 10) { part in
      mt_copy_channels(
        from + part.lowerBound * channels, channels, to + part.lowerBound * count, count, count, part.count)
    }
    return result
  }

  /// Each channel times its factor, one for each sample and channel.
  func scaled(_ tensor: TorchTensor, by factors: [Float]) throws -> TorchTensor {
    let shape = Array(tensor.shape[..<2]) + [Int](repeating: 1, count: tensor.shape.count - 2)
    let mask = try factors.withUnsafeBufferPointer { try upload($0, shape: shape) }
    return try arranged(library.compute("aten::mul", overload: "Tensor", [.tensor(tensor), .tensor(mask)]))
  }
}

// MARK: Changes of size

extension TorchContext {
  private func poolingArguments(_ window: [Int]) -> [TorchArgument] {
    [
      .integers(window), .integers(window), .integers(window.map { _ in 0 }), .truth(false), .truth(true), .nothing,
    ]
  }

  func pooled(_ input: TorchTensor, window: [Int]) throws -> TorchTensor {
    try inPoolingType([input]) { try pooling("", $0, window) }
  }

  func poolingGradient(_ gradient: TorchTensor, inputShape: [Int], window: [Int]) throws -> TorchTensor {
    // Only the shape of the input counts.
    try inPoolingType([gradient, empty(inputShape)]) { try pooling("_backward", $0, window) }
  }

  private func pooling(_ direction: String, _ tensors: [TorchTensor], _ window: [Int]) throws -> TorchTensor {
    try library.compute(
      "aten::avg_pool\(window.count)d" + direction, tensors.map(TorchArgument.tensor) + poolingArguments(window))
  }

  /// On processors PyTorch pools volumes in no type of half precision.
  private func inPoolingType(
    _ tensors: [TorchTensor], _ pool: ([TorchTensor]) throws -> TorchTensor
  ) throws -> TorchTensor {
    guard device == .cpu, element != .float32 else { return try arranged(pool(tensors)) }
    let pooled = try pool(
      tensors.map { tensor in
        let single = try library.empty(tensor.shape, on: device)
        try single.copy(from: tensor)
        return single
      })
    let result = try empty(pooled.shape)
    try result.copy(from: pooled)
    return result
  }

  private func resizingArguments(_ axes: Int, _ interpolation: Graph.Operation.Interpolation) -> [TorchArgument] {
    (interpolation == .linear ? [.truth(false)] : []) + [TorchArgument](repeating: .nothing, count: axes)
  }

  private func resizing(_ axes: Int, _ interpolation: Graph.Operation.Interpolation) -> String {
    switch (interpolation, axes) {
    case (.nearest, _): "aten::upsample_nearest\(axes)d"
    case (.linear, 2): "aten::upsample_bilinear2d"
    case (.linear, _): "aten::upsample_trilinear3d"
    }
  }

  func enlarged(
    _ input: TorchTensor, shape: [Int], _ interpolation: Graph.Operation.Interpolation
  ) throws -> TorchTensor {
    let axes = shape.count - 2
    return try arranged(
      library.compute(
        resizing(axes, interpolation),
        [.tensor(input), .integers(Array(shape[2...]))] + resizingArguments(axes, interpolation)))
  }

  func enlargementGradient(
    _ gradient: TorchTensor, inputShape: [Int], _ interpolation: Graph.Operation.Interpolation
  ) throws -> TorchTensor {
    let axes = inputShape.count - 2
    return try arranged(
      library.compute(
        resizing(axes, interpolation) + "_backward",
        [.tensor(gradient), .integers(Array(gradient.shape[2...])), .integers(inputShape)]
          + resizingArguments(axes, interpolation)))
  }
}
