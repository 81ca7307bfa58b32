import Basics
import Networks

extension TorchContext {
  typealias Convolution = Graph.Operation.Convolution

  /// Result and gradients of a convolution.
  func convolve(
    _ input: TorchTensor, _ convolution: Convolution, weight: TorchTensor, bias: TorchTensor?, isTransposed: Bool
  ) throws -> TorchTensor {
    if let own = own(convolution, input: input.shape, isTransposed: isTransposed) {
      return try own.forward(arranged(input), weight: weight, bias: bias, in: self)
    }
    return try arranged(
      library.compute(
        "aten::convolution",
        [.tensor(input), .tensor(weight), .optionalTensor(bias)] + numbers(convolution, isTransposed: isTransposed)))
  }

  /// The gradients of input, weight and bias, as far as they are wanted.
  func convolutionGradients(
    _ gradient: TorchTensor, input: TorchTensor, _ convolution: Convolution, weight: TorchTensor, isTransposed: Bool,
    wanted: [Bool]
  ) throws -> [TorchTensor?] {
    let own = own(convolution, input: input.shape, isTransposed: isTransposed)
    // For the bias of transposed convolutions the library has only a scalar loop, slower than all the rest.
    if usesOwnKernels, isTransposed || own != nil, wanted[2] {
      let others = try convolutionGradients(
        gradient, input: input, convolution, weight: weight, isTransposed: isTransposed,
        wanted: [wanted[0], wanted[1], false])
      let sums = try channelSums(arranged(gradient))
      return try [others[0], others[1], sums.withUnsafeBufferPointer { try upload($0, shape: [sums.count]) }]
    }
    if let own, !wanted[0] || own.reachesInput {
      return try own.gradients(arranged(gradient), input: arranged(input), weight: weight, wanted: wanted, in: self)
        + [nil]
    }
    return try library.call(
      "aten::convolution_backward",
      [
        .tensor(gradient), .tensor(input), .tensor(weight),
        .optionalIntegers(wanted[2] ? [convolution.outputChannels] : nil),
      ] + numbers(convolution, isTransposed: isTransposed) + [.truths(wanted)], keeping: wanted)
  }

  /// A convolution as our own kernels run it; nil where it is left to PyTorch.
  private func own(_ convolution: Convolution, input: [Int], isTransposed: Bool) -> OwnConvolution? {
    trainer.flatMap { OwnConvolution(convolution, input: input, isTransposed: isTransposed, trainer: $0) }
  }

  private func numbers(_ convolution: Convolution, isTransposed: Bool) -> [TorchArgument] {
    let axes = convolution.kernel.count
    return [
      .integers(convolution.stride), .integers(convolution.padding), .integers(.init(repeating: 1, count: axes)),
      .truth(isTransposed), .integers(.init(repeating: 0, count: axes)), .integer(1),
    ]
  }
}

/// A convolution between tensors of PyTorch that our own kernels compute. A transposed one is the way back of another one,
/// from whose result to whose input it leads.
private struct OwnConvolution {
  let trainer: NativeTrainer
  let convolution: TrainedConvolution
  let isTransposed: Bool
  /// (N, C, spatial axes...)
  let resultShape: [Int]

  init?(_ source: Graph.Operation.Convolution, input: [Int], isTransposed: Bool, trainer: NativeTrainer) {
    self.trainer = trainer
    self.isTransposed = isTransposed
    let size = source.kernel.indices.map { axis in
      let (length, kernel) = (input[axis + 2], source.kernel[axis])
      let (stride, padding) = (source.stride[axis], source.padding[axis])
      return isTransposed
        ? (length - 1) * stride - 2 * padding + kernel : (length + 2 * padding - kernel) / stride + 1
    }
    resultShape = [input[0], source.outputChannels] + size
    let found = TrainedConvolution(
      kernel: source.kernel, stride: source.stride, padding: source.padding,
      input: isTransposed ? resultShape : input, outputs: isTransposed ? source.inputChannels : source.outputChannels)
    guard let found, !isTransposed || found.reachesInput else { return nil }
    convolution = found
  }

  /// Whether the gradient of the input can be computed.
  var reachesInput: Bool { convolution.reachesInput }

  func forward(
    _ input: TorchTensor, weight: TorchTensor, bias: TorchTensor?, in context: TorchContext
  ) throws -> TorchTensor {
    let result = try context.empty(resultShape)
    let (x, w, b, y) = try (input.values, weight.values, bias?.values, result.values)
    if isTransposed {
      trainer.inputGradient(convolution, x, weights: w, bias: b, into: y)
    } else {
      trainer.forward(convolution, x, weights: w, bias: b, into: y)
    }
    return result
  }

  /// Of input and weight.
  func gradients(
    _ gradient: TorchTensor, input: TorchTensor, weight: TorchTensor, wanted: [Bool], in context: TorchContext
  ) throws -> [TorchTensor?] {
    let (x, w, g) = try (input.values, weight.values, gradient.values)
    var results: [TorchTensor?] = [nil, nil]
    if wanted[0] {
      let result = try context.empty(input.shape)
      if isTransposed {
        try trainer.forward(convolution, g, weights: w, bias: nil, into: result.values)
      } else {
        try trainer.inputGradient(convolution, g, weights: w, into: result.values)
      }
      results[0] = result
    }
    if wanted[1] {
      let result = try context.library.empty(weight.shape, layout: context.layout)
      if isTransposed {
        try trainer.weightGradient(convolution, g, x, into: result.values)
      } else {
        try trainer.weightGradient(convolution, x, g, into: result.values)
      }
      results[1] = result
    }
    return results
  }
}
