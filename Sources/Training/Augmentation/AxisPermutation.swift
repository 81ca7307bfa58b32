import CKernels
import Imaging

/// Axes of equal length exchanged, and some of them reversed: quarter turns and transpositions of a patch.
struct AxisPermutation: Sendable, Equatable {
  /// For each axis of the result the axis of the source that runs along it, and whether backwards.
  private(set) var axes = [0, 1, 2]
  private(set) var isReversed = [false, false, false]

  var isIdentity: Bool { self == AxisPermutation() }

  /// Quarter turns in the plane of two axes, from `first` towards `second`.
  mutating func turn(_ first: Int, _ second: Int, quarters: Int) {
    for _ in 0..<quarters {
      axes.swapAt(first, second)
      isReversed.swapAt(first, second)
      isReversed[first].toggle()
    }
  }

  /// Axis `order[i]` of the present result becomes axis i.
  mutating func transpose(_ order: [Int]) {
    axes = order.map { axes[$0] }
    isReversed = order.map { isReversed[$0] }
  }

  /// Copies a volume whose exchanged axes have the same length.
  func apply(_ source: UnsafePointer<Float>, to out: UnsafeMutablePointer<Float>, _ shape: Shape3D) {
    let (start, steps) = way(through: shape)
    mt_permute_floats(out, source + start, shape.axes.map(Int64.init), steps)
  }

  func apply(_ source: UnsafePointer<Int16>, to out: UnsafeMutablePointer<Int16>, _ shape: Shape3D) {
    let (start, steps) = way(through: shape)
    mt_permute_labels(out, source + start, shape.axes.map(Int64.init), steps)
  }

  /// Where in the source the result's first voxel lies, and how far apart its voxels are.
  private func way(through shape: Shape3D) -> (start: Int, steps: [Int64]) {
    let strides = [shape.y * shape.x, shape.x, 1]
    var start = 0
    let steps = (0..<3).map { axis in
      let stride = strides[axes[axis]]
      if isReversed[axis] { start += stride * (shape[axis] - 1) }
      return Int64(isReversed[axis] ? -stride : stride)
    }
    return (start, steps)
  }
}
