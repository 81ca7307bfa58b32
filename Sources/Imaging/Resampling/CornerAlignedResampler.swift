import Basics
import CKernels

/// Resampling between grids whose outermost voxels coincide: output voxel `k` of `m` lies at `k (n - 1) / (m - 1)` of `n`.
///
/// This is `scipy.ndimage.zoom` with its default `grid_mode=False` and `mode="nearest"`, which TotalSegmentator uses
/// around its networks. Results of orders 0 and 1 are scipy's to the last bit.
public struct CornerAlignedResampler: Sendable {
  /// 0 nearest, 1 linear, 2...5 B-splines of that degree.
  public let order: Int

  /// Throws `usage` for orders outside 0...5.
  public init(order: Int) throws {
    guard (0...5).contains(order) else {
      throw Failure(.usage, "there is no spline of order \(order)", hint: "orders are 0 to 5")
    }
    self.order = order
  }

  /// The volume on a grid of `shape` voxels, every channel on its own.
  ///
  /// - Parameter truncates: drop fractions as a conversion to 32-bit integers does.
  /// - Throws: `badInput` for shapes without voxels or beyond any memory.
  public func resample(_ volume: Volume<Float>, to shape: Shape3D, truncates: Bool) throws -> Volume<Float> {
    try Resampler.check(volume.shape, shape, channels: volume.channels)
    switch order {
    case 0:
      let picked = Self.pick(volume, to: shape)
      return truncates ? picked.truncated() : picked
    case 1: return linear(volume, to: shape, truncates: truncates)
    default: return SplineResampler(degree: order).resample(volume, to: shape, truncates: truncates)
    }
  }

  /// The nearest voxels: order 0, for label maps too.
  public static func pick<Element>(_ volume: Volume<Element>, to shape: Shape3D) -> Volume<Element> {
    if volume.shape == shape { return volume }
    let from = volume.shape
    let picks = (0..<3).map { nearest(input: from[$0], output: shape[$0]) }
    return volume.elements.withUnsafeBufferPointer { source in
      Volume(channels: volume.channels, shape: shape) { result in
        guard let source = source.baseAddress.map(Shared.init), let result = result.baseAddress.map(Shared.init) else {
          return
        }
        Parallel.ranges(volume.channels * shape.z * shape.y, minimum: 64) { range in
          picks[2].withUnsafeBufferPointer { columns in
            for row in range {
              let (slice, y) = row.quotientAndRemainder(dividingBy: shape.y)
              let (channel, z) = slice.quotientAndRemainder(dividingBy: shape.z)
              let origin = ((channel * from.z + Int(picks[0][z])) * from.y + Int(picks[1][y])) * from.x
              let line = source.value + origin
              let target = result.value + row * shape.x
              for x in 0..<shape.x { target[x] = line[Int(columns[x])] }
            }
          }
        }
      }
    }
  }

  /// The input index that each output index takes with order 0; it never decreases.
  public static func nearest(input: Int, output: Int) -> [Int32] {
    positions(input: input, output: output).map { Int32(clamping: min(Int(($0 + 0.5).rounded(.down)), input - 1)) }
  }

  /// Where each output voxel lies among the input voxels of one axis.
  static func positions(input: Int, output: Int) -> [Double] {
    let step = output > 1 ? Double(input - 1) / Double(output - 1) : 1
    return (0..<output).map { min(Double($0) * step, Double(input - 1)) }
  }

  private static func taps(input: Int, output: Int) -> ResampleTaps.Linear {
    var taps = ResampleTaps.Linear(index0: [], index1: [], weight0: [], weight1: [])
    for position in positions(input: input, output: output) {
      let floor = position.rounded(.down)
      let first = Int(floor)
      let weight = 1 - (position - floor)
      taps.index0.append(Int32(clamping: first))
      taps.index1.append(Int32(clamping: min(first + 1, input - 1)))
      taps.weight0.append(weight)
      taps.weight1.append(1 - weight)
    }
    return taps
  }

  private func linear(_ volume: Volume<Float>, to shape: Shape3D, truncates: Bool) -> Volume<Float> {
    let from = volume.shape
    let (z, y) = (Self.taps(input: from.z, output: shape.z), Self.taps(input: from.y, output: shape.y))
    let x = LinearAxis(input: from.x, taps: Self.taps(input: from.x, output: shape.x))
    return volume.mapChannels(to: shape) { channel, result in
      let (channel, result) = (Shared(channel), Shared(result))
      Parallel.ranges(shape.z * shape.y, minimum: 16) { range in
        var axis = x.kernel
        for row in range {
          let (k, j) = row.quotientAndRemainder(dividingBy: shape.y)
          let slices = [z.index0[k], z.index1[k]].map { Int($0) * from.y }
          let lines = [y.index0[j], y.index1[j]].map(Int.init)
          let rows = lines.flatMap { line in slices.map { Optional(channel.value + ($0 + line) * from.x) } }
          mt_corner_row(
            rows, [y.weight0[j], y.weight1[j]], [z.weight0[k], z.weight1[k]], &axis, truncates,
            result.value + row * shape.x)
        }
      }
    }
  }
}

extension Volume where Element == Float {
  /// The voxels without their fractions, as a conversion to 32-bit integers leaves them.
  public func truncated() -> Volume<Float> {
    elements.withUnsafeBufferPointer { source in
      Volume(channels: channels, shape: shape) { result in
        guard let source = source.baseAddress.map(Shared.init), let target = result.baseAddress.map(Shared.init) else {
          return
        }
        Parallel.ranges(result.count, minimum: 1 << 16) { range in
          mt_truncate(source.value + range.lowerBound, target.value + range.lowerBound, range.count)
        }
      }
    }
  }
}
