import Basics
import CKernels

extension Resampler {
  /// The slowest axis is separate: each slice is resized in its plane, then slices are picked or interpolated.
  func sliceBySlice(_ volume: Volume<Float>, to shape: Shape3D) -> Volume<Float> {
    let from = volume.shape
    let plane = PlaneResizer(from: from, to: shape, order)
    let picks = orderZ == .nearest || from.z == shape.z
    let between = picks ? nil : DoubleBuffer(count: from.z * shape.y * shape.x)
    return volume.mapChannels(to: shape) { channel, result in
      guard let between else { return pickSlices(channel, from, result, shape, plane) }
      let middle = Samples(between.pointer)
      plane.resizeClipped(channel, Array(0..<from.z)) { middle.advanced(by: $0 * shape.y * shape.x) }
      if orderZ == .cubic {
        // The reference does not clip along this axis.
        let axis = CubicAxis(input: from.z, output: shape.z)
        ColumnTiles.resize(middle, into: Samples(result), plane: shape.y * shape.x, axis: axis, clip: unclipped)
      } else {
        blendSlices(between.pointer, from, result, shape)
      }
    }
  }

  /// Resizes each slice that is wanted once, and copies it to every place that wants it.
  private func pickSlices(
    _ channel: UnsafePointer<Float>, _ from: Shape3D, _ result: UnsafeMutablePointer<Float>, _ shape: Shape3D,
    _ plane: PlaneResizer
  ) {
    let count = shape.y * shape.x
    let picks = ResampleTaps.nearest(input: from.z, output: shape.z).map(Int.init)
    var firstUse = [Int?](repeating: nil, count: from.z)
    for (k, pick) in picks.enumerated() where firstUse[pick] == nil { firstUse[pick] = k }
    let wanted = (0..<from.z).filter { firstUse[$0] != nil }
    let target = Samples(result)
    let destination = firstUse
    plane.resizeClipped(channel, wanted) { target.advanced(by: (destination[$0] ?? 0) * count) }
    Parallel.forEach(shape.z) { k in
      guard let original = destination[picks[k]], original != k else { return }
      target.advanced(by: original * count).copy(to: target.advanced(by: k * count), count: count)
    }
  }

  private func blendSlices(
    _ between: UnsafeMutablePointer<Double>, _ from: Shape3D, _ result: UnsafeMutablePointer<Float>, _ shape: Shape3D
  ) {
    let count = shape.y * shape.x
    let taps = ResampleTaps.linear(input: from.z, output: shape.z)
    let source = Shared(between)
    let target = Shared(result)
    Parallel.forEach(shape.z) { k in
      mt_blend_to_float(
        source.value + Int(taps.index0[k]) * count, source.value + Int(taps.index1[k]) * count, taps.weight0[k],
        taps.weight1[k], target.value + k * count, count)
    }
  }
}

extension PlaneResizer {
  /// Resizes some slices of a channel on all cores, each clipped to its own range, to where `destination` says.
  func resizeClipped(
    _ channel: UnsafePointer<Float>, _ slices: [Int], to destination: @Sendable (Int) -> Samples
  ) {
    let channel = Shared(channel)
    Parallel.ranges(slices.count) { range in
      let scratch = DoubleBuffer(count: scratchCount)
      for slice in slices[range] {
        let source = channel.value + slice * input.y * input.x
        var smallest: Float = 0
        var largest: Float = 0
        mt_range(source, input.y * input.x, &smallest, &largest)
        resize(
          Samples(source), into: destination(slice), clip: IntensityRange.clip(smallest, largest),
          scratch: scratch.pointer)
      }
    }
  }
}

/// The range of intensities, for clipping.
enum IntensityRange {
  /// Everything when there is no ordinary value.
  static func clip(_ smallest: Float, _ largest: Float) -> ClosedRange<Double> {
    smallest <= largest ? Double(smallest)...Double(largest) : unclipped
  }

  /// The smallest and largest of many values, NaNs ignored, on all cores.
  static func of(_ values: UnsafePointer<Float>, count: Int) -> ClosedRange<Double> {
    let (smallest, largest) = ends(values, count: count)
    return clip(smallest, largest)
  }

  /// The smallest and largest value, NaNs ignored; +inf and -inf when there is none.
  static func ends(_ values: UnsafePointer<Float>, count: Int) -> (smallest: Float, largest: Float) {
    let pieces = max(1, min(Parallel.coreCount * 4, count >> 16))
    var ends = [SIMD2<Float>](repeating: SIMD2(.infinity, -.infinity), count: pieces)
    ends.withUnsafeMutableBufferPointer { buffer in
      let buffer = Shared(buffer)
      let values = Shared(values)
      Parallel.forEach(pieces) { piece in
        let start = count * piece / pieces
        mt_range(
          values.value + start, count * (piece + 1) / pieces - start, &buffer.value[piece].x, &buffer.value[piece].y)
      }
    }
    return ends.reduce((Float.infinity, -Float.infinity)) { (min($0.0, $1.x), max($0.1, $1.y)) }
  }
}
