import CKernels
import Imaging

/// Changes of one channel's values, in place. Formulas as in batchgeneratorsv2.
enum IntensityTransforms {
  /// Adds independent normal numbers.
  static func noise(
    _ values: UnsafeMutablePointer<Float>, count: Int, deviation: Float, key: UInt64, first: Int
  ) {
    mt_add_noise(values, count, deviation, key, UInt64(first))
  }

  /// The normalised weights of a Gaussian of 3, 5 or 7 taps.
  static func blurKernel(sigma: Double) -> [Float] {
    let wanted = 6 * sigma + 0.5
    var size = Int(wanted.rounded(.toNearestOrEven))
    if size % 2 == 0 { size += wanted >= Double(size) ? 1 : -1 }
    let middle = size / 2
    let weights = (0..<size).map { exponential(-Double(($0 - middle) * ($0 - middle)) / (2 * sigma * sigma)) }
    let sum = weights.reduce(0, +)
    return weights.map { Float($0 / sum) }
  }

  /// A separable blur; the volume is continued by reflection about its outermost voxels.
  ///
  /// - Parameters:
  ///   - kernels: one for each axis (Z, Y, X); an empty one leaves its axis alone.
  ///   - scratch: as large as the volume.
  static func blur(
    _ values: UnsafeMutablePointer<Float>, _ shape: Shape3D, kernels: [[Float]],
    scratch: UnsafeMutablePointer<Float>
  ) {
    let plane = shape.y * shape.x
    // Along Z whole planes are added up, along Y rows.
    if !kernels[0].isEmpty {
      scratch.update(from: values, count: shape.count)
      for z in 0..<shape.z {
        sum(kernels[0], at: z, extent: shape.z, of: scratch, stride: plane, to: values + z * plane, count: plane)
      }
    }
    if !kernels[1].isEmpty {
      scratch.update(from: values, count: shape.count)
      for z in 0..<shape.z {
        for y in 0..<shape.y {
          sum(
            kernels[1], at: y, extent: shape.y, of: scratch + z * plane, stride: shape.x,
            to: values + z * plane + y * shape.x, count: shape.x)
        }
      }
    }
    guard !kernels[2].isEmpty else { return }
    let reach = kernels[2].count / 2
    withUnsafeTemporaryAllocation(of: Float.self, capacity: shape.x + 2 * reach) { padded in
      guard let row = padded.baseAddress else { return }
      for line in 0..<shape.z * shape.y {
        let values = values + line * shape.x
        (row + reach).update(from: values, count: shape.x)
        for offset in 1...max(1, reach) where offset <= reach {
          row[reach - offset] = values[reflected(-offset, shape.x)]
          row[reach + shape.x - 1 + offset] = values[reflected(shape.x - 1 + offset, shape.x)]
        }
        let rows = (0..<kernels[2].count).map { Optional(UnsafePointer(row + $0)) }
        mt_weighted_rows(values, rows, kernels[2], rows.count, shape.x)
      }
    }
  }

  private static func sum(
    _ kernel: [Float], at index: Int, extent: Int, of source: UnsafeMutablePointer<Float>, stride: Int,
    to out: UnsafeMutablePointer<Float>, count: Int
  ) {
    let reach = kernel.count / 2
    let rows = (-reach...reach).map { Optional(UnsafePointer(source + reflected(index + $0, extent) * stride)) }
    mt_weighted_rows(out, rows, kernel, rows.count, count)
  }

  /// The voxel that stands for one outside, without repeating the outermost.
  static func reflected(_ index: Int, _ extent: Int) -> Int {
    guard extent > 1 else { return 0 }
    let period = 2 * (extent - 1)
    let place = ((index % period) + period) % period
    return place < extent ? place : period - place
  }

  /// What a channel's values are like.
  struct Moments {
    var low: Float
    var high: Float
    var mean: Double
    /// With n - 1 in the denominator.
    var deviation: Double

    init(_ values: UnsafePointer<Float>, count: Int) {
      var raw = [0.0, 0, 0, 0]
      let shift = Double(values[0])
      mt_shifted_moments(values, count, shift, &raw)
      low = Float(raw[0] + shift)
      high = Float(raw[1] + shift)
      (mean, deviation) = Moments.summary(sum: raw[2], squares: raw[3], shift: shift, count: count)
    }

    static func summary(sum: Double, squares: Double, shift: Double, count: Int) -> (mean: Double, deviation: Double) {
      let mean = sum / Double(count)
      let variance = max(0, squares - sum * mean) / Double(max(1, count - 1))
      return (mean + shift, squareRoot(variance))
    }
  }

  /// Multiplies.
  static func brightness(_ values: UnsafeMutablePointer<Float>, count: Int, factor: Float) {
    mt_scale_clamp(values, count, factor, 0, -.infinity, .infinity)
  }

  /// Adds.
  static func shift(_ values: UnsafeMutablePointer<Float>, count: Int, by offset: Float) {
    mt_scale_clamp(values, count, 1, offset, -.infinity, .infinity)
  }

  /// Moves values away from the mean, or towards it, within the range they had if `keepsRange`.
  static func contrast(_ values: UnsafeMutablePointer<Float>, count: Int, factor: Float, keepsRange: Bool = true) {
    let moments = Moments(values, count: count)
    let shift = Float(moments.mean * (1 - Double(factor)))
    let (low, high) = keepsRange ? (moments.low, moments.high) : (-.infinity, .infinity)
    mt_scale_clamp(values, count, factor, shift, low, high)
  }

  /// A power of the values brought to 0...1 and back, with mean and deviation restored; of the negated values if
  /// `inverted`.
  static func gamma(_ values: UnsafeMutablePointer<Float>, count: Int, gamma: Float, inverted: Bool) {
    let moments = Moments(values, count: count)
    let sign: Float = inverted ? -1 : 1
    let low = inverted ? -moments.high : moments.low
    let mean = Double(sign) * moments.mean
    var sums = [0.0, 0.0]
    mt_gamma(values, count, sign, low, moments.high - moments.low, gamma, mean, &sums)
    let after = Moments.summary(sum: sums[0], squares: sums[1], shift: mean, count: count)
    let scale = moments.deviation / max(after.deviation, 1e-7)
    // (x - mean') * scale + mean, negated again if need be.
    mt_scale_clamp(
      values, count, sign * Float(scale), sign * Float(mean - after.mean * scale), -.infinity, .infinity)
  }

  /// Picks voxels of a coarser grid ("nearest-exact") and interpolates linearly between them.
  ///
  /// - Parameter lowShape: the coarser grid.
  static func lowResolution(_ values: UnsafeMutablePointer<Float>, _ shape: Shape3D, lowShape: Shape3D) {
    let picked = (0..<3).map { DeepSupervision.nearest(input: shape[$0], output: lowShape[$0]) }
    var low = [Float]()
    low.reserveCapacity(lowShape.count)
    for z in picked[0] {
      for y in picked[1] {
        let row = values + (z * shape.y + y) * shape.x
        for x in picked[2] { low.append(row[x]) }
      }
    }
    let taps = (0..<3).map { LinearTaps(input: lowShape[$0], output: shape[$0]) }
    let plane = lowShape.y * lowShape.x
    low.withUnsafeBufferPointer { low in
      guard let low = low.baseAddress else { return }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: plane + lowShape.x) { memory in
        guard let blended = memory.baseAddress else { return }
        let row = blended + plane
        for z in 0..<shape.z {
          blend(taps[0], z, of: low, stride: plane, to: blended, count: plane)
          for y in 0..<shape.y {
            blend(taps[1], y, of: blended, stride: lowShape.x, to: row, count: lowShape.x)
            mt_interpolate_row(
              values + (z * shape.y + y) * shape.x, row, taps[2].first, taps[2].second, taps[2].share, shape.x)
          }
        }
      }
    }
  }

  private static func blend(
    _ taps: LinearTaps, _ index: Int, of source: UnsafePointer<Float>, stride: Int,
    to out: UnsafeMutablePointer<Float>, count: Int
  ) {
    let share = taps.share[index]
    mt_weighted_rows(
      out, [source + Int(taps.first[index]) * stride, source + Int(taps.second[index]) * stride],
      [1 - share, share], 2, count)
  }
}

/// Linear interpolation along one axis, with pixel centres at half numbers, as PyTorch does it without aligned corners.
struct LinearTaps {
  var first: [Int32] = []
  var second: [Int32] = []
  var share: [Float] = []

  init(input: Int, output: Int) {
    let scale = Float(input) / Float(output)
    for index in 0..<output {
      let place = max(0, (Float(index) + 0.5) * scale - 0.5)
      let lower = min(Int(place), input - 1)
      first.append(Int32(lower))
      second.append(Int32(min(lower + 1, input - 1)))
      share.append(place - Float(lower))
    }
  }
}
