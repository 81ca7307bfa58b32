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
    // The operators take a divisor of gradients, but those for Apple's devices ignore it.
    if factor != 1 {
      try context.library.call(
        "aten::mul_", overload: "Tensor", [.tensor(gradients), .tensor(context.numbers.tensor(factor))],
        keeping: [false])
    }
    switch rule.optimizer {
    case .nesterov(let momentum):
      try context.library.call(
        "aten::_fused_sgd_",
        [
          parts(values), parts(gradients), parts(arrays[0]), .number(rule.decay), .number(momentum),
          .number(rule.rate), .number(0), .truth(true), .truth(false), .truth(false), .nothing, .nothing,
        ], keeping: [])
    case .adam(let adam):
      let largest: TorchArgument = adam.keepsLargest ? try parts(arrays[2]) : .tensors([])
      try context.library.call(
        adam.isDecoupled ? "aten::_fused_adamw_" : "aten::_fused_adam_",
        [
          parts(values), parts(gradients), parts(arrays[0]), parts(arrays[1]), largest,
          .tensors(stretches.map { try context.numbers.tensor(Double($0.steps)) }), .number(rule.rate),
          .number(adam.beta1), .number(adam.beta2), .number(rule.decay), .number(adam.epsilon),
          .truth(adam.keepsLargest), .truth(false), .nothing, .nothing,
        ], keeping: [])
    case .adan(let adan): for stretch in stretches { try stepInLibrary(rule, adan, gradients, arrays, stretch) }
    }
  }

  /// Adan, for which PyTorch has no operator.
  private func stepInLibrary(
    _ rule: GradientDescent, _ adan: Optimizer.Adan, _ gradients: TorchTensor, _ arrays: [TorchTensor],
    _ stretch: Stretch
  ) throws {
    let math = DeviceMath(context.numbers)
    func own(_ block: TorchTensor) throws -> DeviceArray { DeviceArray(tensor: try part(of: block, stretch)) }
    /// Moves the average towards what is new.
    func follow(_ average: DeviceArray, _ new: DeviceArray, _ share: Double) throws {
      guard stretch.steps > 1 else { return }
      try math.copy(math.sum(math.product(average, 1 - share), math.product(new, share)), to: average)
    }
    func correction(_ share: Double) -> Double { Optimizer.correction(1 - share, stretch.steps) }
    let (parameters, slope) = (try own(values), try own(gradients))
    let memory = try arrays.map(own)
    let change = try math.sum(slope, memory[0], factor: -1)
    let ahead = try math.sum(slope, change, factor: 1 - adan.b)
    try follow(memory[1], slope, adan.a)
    try follow(memory[2], change, adan.b)
    try follow(memory[3], math.product(ahead, ahead), adan.c)
    try math.copy(slope, to: memory[0])
    let direction = try math.sum(
      math.product(memory[1], correction(adan.a)), memory[2], factor: (1 - adan.b) * correction(adan.b))
    let root = try math.apply(.sqrt, to: math.product(memory[3], correction(adan.c)))
    let quotient = try math.quotient(direction, math.sum(root, math.number(adan.epsilon)))
    let moved = try math.sum(parameters, quotient, factor: -rule.rate)
    try math.copy(math.product(moved, 1 / (1 + rule.rate * rule.decay)), to: parameters)
  }

  private func part(of block: TorchTensor, _ stretch: Stretch) throws -> TorchTensor {
    try block.part(offset: stretch.range.lowerBound, shape: [stretch.range.count], strides: [1])
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
