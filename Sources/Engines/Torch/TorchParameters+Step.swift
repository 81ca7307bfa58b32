import Basics
import CKernels

extension TorchParameters {
  /// One step with kernels of our own, on a processor.
  ///
  /// - Parameters:
  ///   - factor: what gradients are multiplied with.
  ///   - arrays: what the optimiser remembers, in the order of `arrayNames`.
  func step(
    _ rule: GradientDescent, factor: Double, _ gradients: TorchTensor, _ arrays: [TorchTensor],
    _ stretches: [Stretch]
  ) throws {
    let (p, g, memory) = (try values.values, UnsafePointer(try gradients.values), try arrays.map { try $0.values })
    for stretch in stretches {
      let kernel = rule.kernel(factor: factor, steps: stretch.steps)
      context.library.parallel(stretch.range.count, grain: 1 << 14) { part in
        let start = stretch.range.lowerBound + part.lowerBound
        kernel(p + start, memory.map { $0 + start }, g + start, part.count)
      }
    }
  }

  /// One step with PyTorch's operators.
  func stepInLibrary(
    _ rule: GradientDescent, factor: Double, _ gradients: TorchTensor, _ arrays: [TorchTensor],
    _ stretches: [Stretch]
  ) throws {
    func parts(_ block: TorchTensor) throws -> TorchArgument {
      .tensors(try stretches.map { try part(of: block, $0) })
    }
    // The operators divide gradients by what the loss was multiplied with.
    let divisor = TorchArgument.optionalTensor(try number(1 / factor))
    switch rule.optimizer {
    case .nesterov(let momentum):
      try context.library.call(
        "aten::_fused_sgd_",
        [
          parts(values), parts(gradients), parts(arrays[0]), .number(rule.decay), .number(momentum),
          .number(rule.rate), .number(0), .truth(true), .truth(false), .truth(false), divisor, .nothing,
        ], keeping: [])
    case .adam(let adam):
      let largest: TorchArgument = adam.keepsLargest ? try parts(arrays[2]) : .tensors([])
      try context.library.call(
        adam.isDecoupled ? "aten::_fused_adamw_" : "aten::_fused_adam_",
        [
          parts(values), parts(gradients), parts(arrays[0]), parts(arrays[1]), largest,
          .tensors(stretches.map { try number(Double($0.steps)) }), .number(rule.rate), .number(adam.beta1),
          .number(adam.beta2), .number(rule.decay), .number(adam.epsilon), .truth(adam.keepsLargest), .truth(false),
          divisor, .nothing,
        ], keeping: [])
    case .adan(let adan):
      for stretch in stretches { try stepInLibrary(rule, adan, factor: factor, gradients, arrays, stretch) }
    }
  }

  /// Adan, for which PyTorch has no operator.
  private func stepInLibrary(
    _ rule: GradientDescent, _ adan: Optimizer.Adan, factor: Double, _ gradients: TorchTensor,
    _ arrays: [TorchTensor], _ stretch: Stretch
  ) throws {
    func times(_ one: TorchTensor, _ other: TorchTensor) throws -> TorchTensor {
      try context.library.compute("aten::mul", overload: "Tensor", [.tensor(one), .tensor(other)])
    }
    func times(_ one: TorchTensor, _ value: Double) throws -> TorchTensor { try times(one, number(value)) }
    func plus(_ one: TorchTensor, _ other: TorchTensor) throws -> TorchTensor {
      try context.library.sum(one, other, on: context.device)
    }
    /// Moves the average towards what is new.
    func follow(_ average: TorchTensor, _ new: TorchTensor, _ share: Double) throws {
      guard stretch.steps > 1 else { return }
      try average.copy(from: plus(times(average, 1 - share), times(new, share)))
    }
    func correction(_ share: Double) -> Double { Optimizer.correction(1 - share, stretch.steps) }
    let parameters = try part(of: values, stretch)
    let own = try arrays.map { try part(of: $0, stretch) }
    let slope = try times(part(of: gradients, stretch), factor)
    let change = try plus(slope, times(own[0], -1))
    let ahead = try plus(slope, times(change, 1 - adan.b))
    try follow(own[1], slope, adan.a)
    try follow(own[2], change, adan.b)
    try follow(own[3], times(ahead, ahead), adan.c)
    try own[0].copy(from: slope)
    let direction = try plus(
      times(own[1], correction(adan.a)), times(own[2], (1 - adan.b) * correction(adan.b)))
    let root = try context.library.compute("aten::sqrt", [.tensor(times(own[3], correction(adan.c)))])
    let quotient = try context.library.compute(
      "aten::div", overload: "Tensor", [.tensor(direction), .tensor(plus(root, number(adan.epsilon)))])
    try parameters.copy(from: times(plus(parameters, times(quotient, -rule.rate)), 1 / (1 + rule.rate * rule.decay)))
  }

  private func part(of block: TorchTensor, _ stretch: Stretch) throws -> TorchTensor {
    try block.part(offset: stretch.range.lowerBound, shape: [stretch.range.count], strides: [1])
  }

  private func number(_ value: Double) throws -> TorchTensor {
    try [Float(value)].withUnsafeBufferPointer { values in
      let tensor = try context.library.empty([1], on: context.device)
      if let base = values.baseAddress { try tensor.copy(from: context.library.view(base, [1])) }
      return tensor
    }
  }
}

extension GradientDescent {
  /// Changes some parameters, given what the optimiser remembers of them and their gradients.
  fileprivate typealias Kernel = (
    _ parameters: UnsafeMutablePointer<Float>, _ memory: [UnsafeMutablePointer<Float>], UnsafePointer<Float>, Int
  ) -> Void

  fileprivate func kernel(factor: Double, steps: Int) -> Kernel {
    switch optimizer {
    case .nesterov(let momentum):
      return { p, memory, g, count in
        mt_descend(p, memory[0], g, count, Float(factor), Float(decay), Float(momentum), Float(rate))
      }
    case .adam(let adam):
      let numbers = mt_adam_step(
        factor: Float(factor), decay: adam.isDecoupled ? 0 : Float(decay),
        shrink: adam.isDecoupled ? Float(1 - rate * decay) : 1, first_share: Float(1 - adam.beta1),
        second_kept: Float(adam.beta2), second_share: Float(1 - adam.beta2),
        rate: Float(rate * Optimizer.correction(adam.beta1, steps)),
        second_correction: Float(Optimizer.correction(adam.beta2, steps).squareRoot()), epsilon: Float(adam.epsilon))
      return { p, memory, g, count in
        withUnsafePointer(to: numbers) {
          mt_adam(p, memory[0], memory[1], memory.count > 2 ? memory[2] : nil, g, count, $0)
        }
      }
    case .adan(let adan):
      let isFirst = steps == 1
      func correction(_ share: Double) -> Float { Float(Optimizer.correction(1 - share, steps)) }
      let numbers = mt_adan_step(
        factor: Float(factor), a: isFirst ? 0 : Float(adan.a), b: isFirst ? 0 : Float(adan.b),
        c: isFirst ? 0 : Float(adan.c), ahead: Float(1 - adan.b), m_correction: correction(adan.a),
        v_correction: correction(adan.b), n_correction: correction(adan.c), rate: Float(rate),
        epsilon: Float(adan.epsilon), shrink: Float(1 / (1 + rate * decay)))
      return { p, memory, g, count in
        withUnsafePointer(to: numbers) { mt_adan(p, memory[0], memory[1], memory[2], memory[3], g, count, $0) }
      }
    }
  }
}
