import Basics

/// The grid as nibabel derives it.
extension NIfTIHeader {
  /// Slope and intercept as nibabel applies them, in double precision: a slope that is zero or not finite switches
  /// both off. Throws `badInput` for a usable slope with an intercept that is not finite.
  func nibabelRescale() throws -> Rescale {
    guard slope.isFinite, slope != 0 else { return .none }
    guard intercept.isFinite else { throw Failure(.badInput, "has a scale slope, but its intercept is \(intercept)") }
    return Rescale(slope: slope, intercept: intercept, isDoublePrecision: true)
  }

  /// Voxel sizes in index order: the absolute values in the header, with one for zero.
  var nibabelZooms: [Double] {
    (1...3).map { axis in
      let size = abs(pixelDimensions[axis])
      return size == 0 ? 1 : size
    }
  }

  /// The affine to RAS: the sform if there is one, else the qform, else voxel sizes about the centre with x flipped.
  func nibabelAffine() throws -> Affine {
    if affineCode > 0 { return Affine(rows: affineRows) }
    let zooms = nibabelZooms
    if quaternionCode > 0 {
      let (b, c, d) = (quaternion[0], quaternion[1], quaternion[2])
      // Three units in the last place of a float, or of a double in NIfTI-2.
      let tolerance = 3 * (isVersion2 ? Double.ulpOfOne : Double(Float.ulpOfOne))
      let rest = 1 - (b * b + c * c + d * d)
      guard rest >= -tolerance else {
        throw Failure(.badInput, "has an impossible qform: its quaternion (\(b), \(c), \(d)) is longer than one")
      }
      var matrix = Matrix3(nibabelQuaternion: (rest <= tolerance ? 0 : rest.squareRoot(), b, c, d))
      for row in 0..<3 {
        for column in 0..<3 {
          matrix[row, column] *= zooms[column] * (column == 2 && pixelDimensions[0] == -1 ? -1 : 1)
        }
      }
      return Affine(matrix: matrix, translation: quaternionOffset)
    }
    var affine = Affine(matrix: Matrix3(), translation: [0, 0, 0])
    for axis in 0..<3 {
      let step = axis == 0 ? -zooms[axis] : zooms[axis]
      affine.matrix[axis, axis] = step
      affine.translation[axis] = -0.5 * Double((axis < dimensions.count ? dimensions[axis] : 1) - 1) * step
    }
    return affine
  }
}

extension Matrix3 {
  /// The rotation of a quaternion that need not have unit length.
  fileprivate init(nibabelQuaternion quaternion: (Double, Double, Double, Double)) {
    let (w, x, y, z) = quaternion
    let square = w * w + x * x + y * y + z * z
    self.init()
    guard square >= Double.ulpOfOne else { return }
    let s = 2 / square
    values = [
      1 - (y * y + z * z) * s, (x * y - w * z) * s, (x * z + w * y) * s,
      (x * y + w * z) * s, 1 - (x * x + z * z) * s, (y * z - w * x) * s,
      (x * z - w * y) * s, (y * z + w * x) * s, 1 - (x * x + y * y) * s,
    ]
  }
}
