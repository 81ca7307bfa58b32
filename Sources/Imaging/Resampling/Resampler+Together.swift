import Basics
import CKernels

extension Resampler {
  /// Cubic along all three axes.
  ///
  /// The plane of a slice is done while the slice is in the cache. The slowest axis comes after the planes, or before
  /// them if the volume in between is smaller that way.
  func resizeCubically(_ volume: Volume<Float>, to shape: Shape3D) -> Volume<Float> {
    let from = volume.shape
    let plane = PlaneResizer(from: from, to: shape, .cubic)
    let inputPlane = from.y * from.x
    let outputPlane = shape.y * shape.x
    let across = CubicAxis.changing(from.z, shape.z)
    let planesFirst = from.z * outputPlane <= shape.z * inputPlane
    let needsBetween = across != nil && !plane.isIdentity
    let between = needsBetween ? DoubleBuffer(count: min(from.z * outputPlane, shape.z * inputPlane)) : nil

    return volume.mapChannels(to: shape) { channel, result in
      let source = Samples(channel)
      let target = Samples(result)
      let clip = IntensityRange.of(channel, count: from.count)
      guard let across else { return plane.resizeAll(source, into: target, slices: from.z, clip: clip) }
      guard let between else {
        return ColumnTiles.resize(source, into: target, plane: outputPlane, axis: across, clip: clip)
      }
      let middle = Samples(between.pointer)
      if planesFirst {
        plane.resizeAll(source, into: middle, slices: from.z, clip: unclipped)
        ColumnTiles.resize(middle, into: target, plane: outputPlane, axis: across, clip: clip)
      } else {
        ColumnTiles.resize(source, into: middle, plane: inputPlane, axis: across, clip: unclipped)
        plane.resizeAll(middle, into: target, slices: shape.z, clip: clip)
      }
    }
  }

  /// Linear along all three axes: every output row blends four input rows, so nothing is stored in between.
  func resizeLinearly(_ volume: Volume<Float>, to shape: Shape3D) -> Volume<Float> {
    let from = volume.shape
    return resizeLinearly(
      volume, to: shape, z: LinearAxis(input: from.z, output: shape.z), y: LinearAxis(input: from.y, output: shape.y),
      x: LinearAxis(input: from.x, output: shape.x))
  }

  func resizeLinearly(
    _ volume: Volume<Float>, to shape: Shape3D, z: LinearAxis, y: LinearAxis, x: LinearAxis
  ) -> Volume<Float> {
    let from = volume.shape
    return volume.mapChannels(to: shape) { channel, result in
      let channel = Shared(channel)
      let result = Shared(result)
      Parallel.ranges(shape.z * shape.y, minimum: 16) { range in
        let blend = UnsafeMutablePointer<Double>.allocate(capacity: from.x)
        defer { blend.deallocate() }
        var axis = x.kernel
        var rows: [UnsafePointer<Float>?] = []
        var weights: [Double] = []
        for index in range {
          rows.removeAll(keepingCapacity: true)
          weights.removeAll(keepingCapacity: true)
          let inY = y.contributions(index % shape.y)
          for slice in z.contributions(index / shape.y) {
            for row in inY {
              rows.append(channel.value + (slice.index * from.y + row.index) * from.x)
              weights.append(slice.weight * row.weight)
            }
          }
          mt_linear_row(rows, weights, rows.count, &axis, blend, result.value + index * shape.x, false)
        }
      }
    }
  }

  /// The nearest voxel along all three axes.
  func pickNearest(_ volume: Volume<Float>, to shape: Shape3D) -> Volume<Float> {
    let from = volume.shape
    let slices = ResampleTaps.nearest(input: from.z, output: shape.z)
    let plane = PlaneResizer(from: from, to: shape, .nearest)
    return volume.mapChannels(to: shape) { channel, result in
      let source = Samples(channel)
      let target = Samples(result)
      Parallel.ranges(shape.z) { range in
        let scratch = DoubleBuffer(count: plane.scratchCount)
        for k in range {
          plane.resize(
            source.advanced(by: Int(slices[k]) * from.y * from.x),
            into: target.advanced(by: k * shape.y * shape.x), clip: unclipped, scratch: scratch.pointer)
        }
      }
    }
  }
}

extension PlaneResizer {
  /// Resizes consecutive slices on all cores.
  func resizeAll(_ source: Samples, into result: Samples, slices: Int, clip: ClosedRange<Double>) {
    Parallel.ranges(slices) { range in
      let scratch = DoubleBuffer(count: scratchCount)
      for slice in range {
        resize(
          source.advanced(by: slice * input.y * input.x), into: result.advanced(by: slice * output.y * output.x),
          clip: clip, scratch: scratch.pointer)
      }
    }
  }
}
