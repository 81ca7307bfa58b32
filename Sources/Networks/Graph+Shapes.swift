import Basics

extension Graph {
  /// The shape of every value, (N, C, spatial axes...), for an input of `shape`; indexed by `Value.index`.
  ///
  /// Throws `badInput` when the input has the wrong rank or channel count, and when sizes do not meet again after
  /// shrinking and enlarging; the message names the axis.
  public func shapes(forInput shape: [Int]) throws -> [[Int]] {
    guard shape.count == spatialRank + 2 else {
      throw Failure(.badInput, "\(name) takes arrays of \(spatialRank + 2) axes, not \(shape.count)")
    }
    guard shape[1] == inputChannels else {
      throw Failure(.badInput, "\(name) takes \(inputChannels) input channel(s), not \(shape[1])")
    }
    // The bound keeps every product of sizes and channel counts within 64 bits.
    guard shape.allSatisfy({ (1...1 << 20).contains($0) }) else {
      throw Failure(.badInput, "an array of shape \(shape) cannot be fed to a network")
    }
    var shapes = [shape]
    for node in nodes {
      let inputs = node.inputs.map { shapes[$0.index] }
      guard let first = inputs.first else {
        throw Failure(.internalError, "node \(node.name) has no input")
      }
      let result = try self.shape(of: node, first: first, inputs: inputs, patch: shape)
      if let axis = result.dropFirst(2).firstIndex(where: { $0 < 1 }) {
        throw Failure(
          .badInput,
          "a patch of \(shape[axis]) voxel(s) along axis \(axis - 2) is too small for \(name): "
            + "nothing is left at \(node.name)",
          hint: "choose a larger patch")
      }
      guard result.reduce(1, { $0.multipliedReportingOverflow(by: $1).overflow ? Int.max : $0 * $1 }) < 1 << 50 else {
        throw Failure(.badInput, "a patch of shape \(shape) is far too large for \(name)")
      }
      shapes.append(result)
    }
    return shapes
  }

  /// The shape of the network's answer for an input of `shape`. Throws as `shapes(forInput:)` does.
  public func outputShape(forInput shape: [Int]) throws -> [Int] {
    guard let output = outputs.first else { throw Failure(.internalError, "\(name) has no output") }
    return try shapes(forInput: shape)[output.index]
  }

  /// As `shapes(forInput:)`, with nil for sizes that are left open. When one spatial axis is open, all are in what
  /// nodes compute.
  public func openShapes(forInput shape: [Int?]) throws -> [[Int?]] {
    // Open sizes are tried out with some that certainly fit.
    let stand = [1, inputChannels] + totalStride.map { $0 * 4 }
    let sizes = shape.enumerated().map { $1 ?? ($0 < stand.count ? stand[$0] : 1) }
    let isOpen = shape.dropFirst(2).contains(nil)
    let results = try shapes(forInput: sizes).map { result in
      result.indices.map { axis in axis == 0 && shape[0] == nil || axis > 1 && isOpen ? nil : result[axis] }
    }
    return [shape] + results.dropFirst()
  }

  /// By how much each spatial axis shrinks where it is smallest; patches should be whole multiples of it.
  public var totalStride: [Int] {
    // Numerator and denominator cannot be mixed up by enlargement: U-Nets enlarge by what they have shrunk before.
    var scales = [[Double](repeating: 1, count: spatialRank)]
    for node in nodes {
      var scale = node.inputs.first.map { scales[$0.index] } ?? scales[0]
      switch node.operation {
      case .convolution(let convolution):
        for axis in 0..<spatialRank { scale[axis] *= Double(convolution.stride[axis]) }
      case .averagePooling(let window):
        for axis in 0..<spatialRank { scale[axis] *= Double(window[axis]) }
      case .transposedConvolution(let convolution):
        for axis in 0..<spatialRank { scale[axis] /= Double(convolution.stride[axis]) }
      case .upsampling(let factors, _):
        for axis in 0..<spatialRank { scale[axis] /= Double(factors[axis]) }
      default: break
      }
      scales.append(scale)
    }
    return (0..<spatialRank).map { axis in Int(min(scales.map { $0[axis] }.max() ?? 1, 0x1p40)) }
  }

  private func shape(of node: Node, first: [Int], inputs: [[Int]], patch: [Int]) throws -> [Int] {
    func spatial(_ size: (_ axis: Int) -> Int) -> [Int] { (0..<spatialRank).map(size) }
    func expectChannels(_ count: Int) throws {
      guard first[1] == count else {
        throw Failure(.badInput, "\(node.name) takes \(count) channels but is given \(first[1])")
      }
    }
    switch node.operation {
    case .convolution(let convolution):
      try expectChannels(convolution.inputChannels)
      // Rounds down towards minus infinity, so that an input smaller than the kernel gives 0 or less.
      return [first[0], convolution.outputChannels]
        + spatial { axis in
          let room = first[axis + 2] + 2 * convolution.padding[axis] - convolution.kernel[axis]
          return room < 0 ? 0 : room / convolution.stride[axis] + 1
        }
    case .transposedConvolution(let convolution):
      try expectChannels(convolution.inputChannels)
      return [first[0], convolution.outputChannels]
        + spatial { axis in
          (first[axis + 2] - 1) * convolution.stride[axis] + convolution.kernel[axis] - 2 * convolution.padding[axis]
        }
    case .instanceNorm(let norm), .groupNorm(let norm, _), .batchNorm(let norm, _, _):
      try expectChannels(norm.channels)
      return first
    case .leakyReLU, .dropout: return first
    case .add:
      for other in inputs.dropFirst() {
        try expectSameSize(node, first, other, patch)
        guard other[1] == first[1] else {
          throw Failure(.badInput, "\(node.name) adds \(first[1]) channels to \(other[1])")
        }
      }
      return first
    case .concatenation:
      for other in inputs.dropFirst() { try expectSameSize(node, first, other, patch) }
      return [first[0], inputs.map { $0[1] }.reduce(0, +)] + first[2...]
    case .averagePooling(let window): return first[..<2] + spatial { first[$0 + 2] / window[$0] }
    case .upsampling(let factors, _): return first[..<2] + spatial { first[$0 + 2] * factors[$0] }
    }
  }

  private func expectSameSize(_ node: Node, _ first: [Int], _ other: [Int], _ patch: [Int]) throws {
    let total = totalStride
    for axis in 0..<spatialRank where first[axis + 2] != other[axis + 2] {
      let size = patch[axis + 2]
      throw Failure(
        .badInput,
        "a patch of \(size) voxels along axis \(axis) does not fit \(name), which halves and doubles that axis "
          + "by \(total[axis]) in all (\(first[axis + 2]) and \(other[axis + 2]) voxels meet at \(node.name))",
        hint: "choose a multiple of \(total[axis]), such as \((size + total[axis] - 1) / total[axis] * total[axis])")
    }
  }
}
