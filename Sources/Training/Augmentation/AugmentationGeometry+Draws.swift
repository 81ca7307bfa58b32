import Imaging

extension AugmentationGeometry {
  /// The axes the patch has.
  var axes: Range<Int> { isPlanar ? 1..<3 : 0..<3 }

  /// A coarser grid for the patch; the first axis of flat patches is kept.
  func coarser(by factor: Double) -> Shape3D {
    let sizes = (0..<3).map { axis in
      axis == 0 && turnsInPlane
        ? patch.z : max(1, Int((Double(patch[axis]) * factor).rounded(.toNearestOrEven)))
    }
    return Shape3D(sizes[0], sizes[1], sizes[2])
  }

  /// How a patch is turned and scaled; nil in the most frequent case that it is not.
  func drawTransform(_ stream: inout RandomStream) -> SpatialTransform? {
    let isStrong = augmentation == .strong
    let turns = stream.chance(isStrong ? 0.4 : 0.2)
    let scales = stream.chance(0.2)
    var angles = [0.0, 0, 0]
    if turns {
      for axis in 0..<(turnsInPlane ? 1 : 3) {
        angles[axis] = stream.uniform(-rotation, rotation)
        if isStrong, stream.chance(0.5) { angles[axis] = 0 }
      }
    }
    var factors = [1.0, 1, 1]
    if scales {
      let scale = stream.uniform(0.7, isStrong ? 1.43 : 1.4)
      for axis in (turnsInPlane ? 1 : 0)..<3 { factors[axis] = scale }
      // The strong variant scales each axis by itself.
      if isStrong { for axis in (turnsInPlane ? 2 : 1)..<3 { factors[axis] = stream.uniform(0.7, 1.43) } }
    }
    guard turns || scales else { return nil }
    return SpatialTransform(angles: angles, scales: factors)
  }

  /// How axes of the same length are exchanged, in the strong variant.
  func drawPermutation(_ stream: inout RandomStream) -> AxisPermutation {
    var permutation = AxisPermutation()
    let equal = exchangeableAxes
    guard augmentation == .strong, equal.count > 1 else { return permutation }
    if stream.chance(0.5) {
      let quarters = stream.integer(0, 3)
      let plane = equal.shuffled(using: &stream).prefix(2).sorted()
      permutation.turn(plane[0], plane[1], quarters: quarters)
    }
    if stream.chance(0.5) {
      var order = [0, 1, 2]
      for (place, axis) in zip(equal, equal.shuffled(using: &stream)) { order[place] = axis }
      permutation.transpose(order)
    }
    return permutation
  }

  /// The axes whose length the most axes have; none where all lengths differ.
  private var exchangeableAxes: [Int] {
    let counts = axes.map { axis in axes.count { patch[$0] == patch[axis] } }
    guard let most = counts.max(), most > 1 else { return [] }
    return zip(axes, counts).filter { $1 == most }.map(\.0)
  }
}
