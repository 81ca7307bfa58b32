import CKernels

/// The tap tables of one axis of a cubic resize, in memory that C kernels can read.
final class CubicAxis: @unchecked Sendable {
  let input: Int
  let output: Int
  private let first: UnsafeMutablePointer<Int32>
  private let weights: UnsafeMutablePointer<Double>

  init(input: Int, output: Int) {
    self.input = input
    self.output = output
    first = .allocate(capacity: max(1, output))
    weights = .allocate(capacity: max(1, 4 * output))
    let ratio = Double(input) / Double(output)
    for k in 0..<output {
      let position = (Double(k) + 0.5) * ratio - 0.5
      let floor = position.rounded(.down)
      let y = position - floor
      let q = 1 - y
      let w1 = (y * y * (y - 2) * 3 + 4) / 6
      let w2 = (q * q * (q - 2) * 3 + 4) / 6
      let w0 = q * q * q / 6
      first[k] = Int32(clamping: Int(floor) - 1)
      weights[4 * k] = w0
      weights[4 * k + 1] = w1
      weights[4 * k + 2] = w2
      weights[4 * k + 3] = 1 - w0 - w1 - w2
    }
  }

  /// nil when the size does not change: a spline through all samples, taken at the samples, is the identity.
  static func changing(_ input: Int, _ output: Int) -> CubicAxis? {
    input == output ? nil : CubicAxis(input: input, output: output)
  }

  deinit {
    first.deallocate()
    weights.deallocate()
  }

  /// The tables as the kernels take them; valid as long as this object lives.
  func kernel(clip: ClosedRange<Double>) -> mt_cubic_axis {
    mt_cubic_axis(
      input: input, output: output, first: first, weights: weights, lower: clip.lowerBound, upper: clip.upperBound)
  }
}

/// The tap tables of one axis of a linear resize, in memory that C kernels can read.
final class LinearAxis: @unchecked Sendable {
  let taps: ResampleTaps.Linear
  private let indices: UnsafeMutablePointer<Int32>
  private let weights: UnsafeMutablePointer<Double>
  private let input: Int

  init(input: Int, taps: ResampleTaps.Linear) {
    self.taps = taps
    self.input = input
    let count = taps.index0.count
    indices = .allocate(capacity: max(1, 2 * count))
    weights = .allocate(capacity: max(1, 2 * count))
    for k in 0..<count {
      indices[k] = taps.index0[k]
      indices[count + k] = taps.index1[k]
      weights[k] = taps.weight0[k]
      weights[count + k] = taps.weight1[k]
    }
  }

  convenience init(input: Int, output: Int) {
    self.init(input: input, taps: ResampleTaps.linear(input: input, output: output))
  }

  deinit {
    indices.deallocate()
    weights.deallocate()
  }

  /// The tables as the kernels take them; valid as long as this object lives.
  var kernel: mt_linear_axis {
    let count = taps.index0.count
    return mt_linear_axis(
      input: input, output: count, index0: indices, index1: indices + count, weight0: weights,
      weight1: weights + count)
  }

  /// The input samples and weights that make output sample `k`: one when the size does not change, else two.
  func contributions(_ k: Int) -> [(index: Int, weight: Double)] {
    if input == taps.index0.count { return [(k, 1)] }
    return [(Int(taps.index0[k]), taps.weight0[k]), (Int(taps.index1[k]), taps.weight1[k])]
  }
}

/// Voxels somewhere in memory, as float or double: what one stage of a resize hands to the next.
struct Samples: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let isDouble: Bool

  init(_ base: UnsafeMutableRawPointer, isDouble: Bool) {
    self.base = base
    self.isDouble = isDouble
  }

  init(_ pointer: UnsafePointer<Float>) { self.init(UnsafeMutableRawPointer(mutating: pointer), isDouble: false) }
  init(_ pointer: UnsafeMutablePointer<Float>) { self.init(UnsafeMutableRawPointer(pointer), isDouble: false) }
  init(_ pointer: UnsafeMutablePointer<Double>) { self.init(UnsafeMutableRawPointer(pointer), isDouble: true) }

  func advanced(by count: Int) -> Samples { Samples(base + count * (isDouble ? 8 : 4), isDouble: isDouble) }

  func rows(stride: Int) -> mt_rows { mt_rows(samples: base, row_stride: stride, is_double: isDouble) }

  /// Copies `count` voxels, widening or rounding them.
  func copy(to other: Samples, count: Int) {
    switch (isDouble, other.isDouble) {
    case (false, true):
      let from = base.assumingMemoryBound(to: Float.self)
      let to = other.base.assumingMemoryBound(to: Double.self)
      for i in 0..<count { to[i] = Double(from[i]) }
    case (true, false):
      let from = base.assumingMemoryBound(to: Double.self)
      let to = other.base.assumingMemoryBound(to: Float.self)
      for i in 0..<count { to[i] = Float(from[i]) }
    default: other.base.copyMemory(from: base, byteCount: count * (isDouble ? 8 : 4))
    }
  }
}

/// No clipping.
let unclipped = -Double.infinity...Double.infinity
