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
  func apply<Element: BitwiseCopyable>(
    _ source: UnsafePointer<Element>, to out: UnsafeMutablePointer<Element>, _ shape: Shape3D
  ) {
    let strides = [shape.y * shape.x, shape.x, 1]
    var start = 0
    var steps = [0, 0, 0]
    for axis in 0..<3 {
      let stride = strides[axes[axis]]
      steps[axis] = isReversed[axis] ? -stride : stride
      if isReversed[axis] { start += stride * (shape[axis] - 1) }
    }
    // Blocks, so that every line of memory that is fetched is used while it is at hand: of X and of the axis along which
    // the source lies contiguous.
    let inner = axes[2] == 2 || axes[1] == 2 ? 1 : 0
    let outer = 1 - inner
    let targets = [strides[0], strides[1]]
    let block = axes[2] == 2 ? shape.x : 16
    for first in 0..<shape[outer] {
      for from in stride(from: 0, to: shape[inner], by: 16) {
        for left in stride(from: 0, to: shape.x, by: block) {
          let right = min(left + block, shape.x)
          for second in from..<min(from + 16, shape[inner]) {
            let row = source + start + first * steps[outer] + second * steps[inner]
            let target = out + first * targets[outer] + second * targets[inner]
            if steps[2] == 1 {
              (target + left).update(from: row + left, count: right - left)
            } else {
              for x in left..<right { target[x] = row[x * steps[2]] }
            }
          }
        }
      }
    }
  }
}
