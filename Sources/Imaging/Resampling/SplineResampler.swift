import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// B-splines of degree 2 to 5 between corner-aligned grids, one axis after the other, in double precision.
///
/// The coefficients come from recursive filters (Unser, Aldroubi, Eden: "B-spline signal processing", 1993). As in
/// scipy's `mode="nearest"`, a line is extended by twelve copies of its outermost samples first.
struct SplineResampler: Sendable {
  let degree: Int

  /// Samples added at either end of a line.
  private static let padding = 12

  func resample(_ volume: Volume<Float>, to shape: Shape3D, truncates: Bool) -> Volume<Float> {
    let from = volume.shape
    let axes = (0..<3).map { SplineAxis(degree: degree, input: from[$0], output: shape[$0], padding: Self.padding) }
    return volume.mapChannels(to: shape) { channel, result in
      var current = DoubleBuffer(count: from.count)
      for index in 0..<from.count { current.pointer[index] = Double(channel[index]) }
      var extent = from
      for axis in 0..<3 {
        var next = extent
        next[axis] = shape[axis]
        let target = DoubleBuffer(count: next.count)
        resample(current, extent, into: target, next, along: axis, axes[axis])
        (current, extent) = (target, next)
      }
      for index in 0..<shape.count {
        let value = current.pointer[index]
        result[index] = Float(truncates ? value.rounded(.towardZero) : value)
      }
    }
  }

  /// Lines along `axis`: `outer` blocks of `inner` interleaved lines.
  private func resample(
    _ source: DoubleBuffer, _ from: Shape3D, into target: DoubleBuffer, _ to: Shape3D, along axis: Int,
    _ spline: SplineAxis
  ) {
    let inner = axis == 2 ? 1 : axis == 1 ? from.x : from.y * from.x
    let outer = from.count / max(1, inner * from[axis])
    Parallel.ranges(outer * inner, minimum: 64) { range in
      let line = DoubleBuffer(count: from[axis] + 2 * Self.padding)
      for index in range {
        let (block, offset) = index.quotientAndRemainder(dividingBy: inner)
        let start = source.pointer + block * inner * from[axis] + offset
        let end = target.pointer + block * inner * to[axis] + offset
        spline.resample(start, into: end, stride: inner, scratch: line.pointer)
      }
    }
  }
}

/// What one axis of a spline resize needs: the filter's poles, and the first coefficient and weights of each output sample.
private struct SplineAxis: Sendable {
  let degree: Int
  let input: Int
  let output: Int
  let padding: Int
  private let poles: [Double]
  private let first: [Int]
  private let weights: [Double]

  init(degree: Int, input: Int, output: Int, padding: Int) {
    self.degree = degree
    self.input = input
    self.output = output
    self.padding = padding
    poles = Self.poles(degree)
    var first: [Int] = []
    var weights: [Double] = []
    for position in CornerAlignedResampler.positions(input: input, output: output) {
      // The knots of an even degree lie between the samples.
      let base = degree % 2 == 1 ? position.rounded(.down) : (position + 0.5).rounded(.down) - 0.5
      first.append(Int((degree % 2 == 1 ? base : base + 0.5)) - degree / 2)
      weights += Self.weights(degree, at: position - base)
    }
    self.first = first
    self.weights = weights
  }

  func resample(
    _ source: UnsafePointer<Double>, into target: UnsafeMutablePointer<Double>, stride: Int,
    scratch line: UnsafeMutablePointer<Double>
  ) {
    let count = input + 2 * padding
    for index in 0..<count { line[index] = source[min(max(index - padding, 0), input - 1) * stride] }
    for pole in poles { filter(line, count, pole) }
    for k in 0..<output {
      var sum = 0.0
      for tap in 0...degree { sum += weights[k * (degree + 1) + tap] * line[first[k] + tap + padding] }
      target[k * stride] = sum
    }
  }

  /// One pole's causal and anticausal filter, on a line continued by reflection about its ends.
  private func filter(_ line: UnsafeMutablePointer<Double>, _ count: Int, _ pole: Double) {
    let gain = (1 - pole) * (1 - 1 / pole)
    for index in 0..<count { line[index] *= gain }
    var power = pole
    var start = line[0]
    for index in 0..<count {
      start += power * line[index]
      power *= pole
      if abs(power) < 1e-18 { break }
    }
    line[0] = start
    for index in 1..<max(1, count) { line[index] += pole * line[index - 1] }
    line[count - 1] *= pole / (pole - 1)
    for index in Swift.stride(from: count - 2, through: 0, by: -1) {
      line[index] = pole * (line[index + 1] - line[index])
    }
  }

  private static func poles(_ degree: Int) -> [Double] {
    switch degree {
    case 2: [sqrt(8) - 3]
    case 3: [sqrt(3) - 2]
    case 4: [sqrt(664 - sqrt(438_976)) + sqrt(304) - 19, sqrt(664 + sqrt(438_976)) - sqrt(304) - 19]
    default: [sqrt(67.5 - sqrt(4436.25)) + sqrt(26.25) - 6.5, sqrt(67.5 + sqrt(4436.25)) - sqrt(26.25) - 6.5]
    }
  }

  /// The `degree + 1` basis functions that are not zero at a fraction `t` of a knot interval (de Boor's recurrence).
  private static func weights(_ degree: Int, at t: Double) -> [Double] {
    var weights = [1.0]
    for k in 1...degree {
      var saved = 0.0
      for r in 0..<k {
        let share = weights[r] / Double(k)
        weights[r] = saved + (Double(r + 1) - t) * share
        saved = (t + Double(k - 1 - r)) * share
      }
      weights.append(saved)
    }
    return weights
  }
}
