import Basics

/// The grid as ITK derives it. Where the header contradicts itself the choices follow what ITK was seen to do.
extension NIfTIHeader {
  /// Extents in ITK index order: axes beyond the third that hold one element are dropped.
  func itkSizes() throws -> [Int] {
    var sizes = dimensions
    for axis in sizes.indices.dropFirst(3) where sizes[axis] == 0 { sizes[axis] = 1 }
    while sizes.count > 3, sizes.last == 1 { sizes.removeLast() }
    guard (2...4).contains(sizes.count) else {
      throw Failure(.badInput, "has \(sizes.count) dimensions; 2, 3 or 4 can be read")
    }
    _ = try voxelCount(sizes)
    return sizes
  }

  /// Slope and intercept as ITK applies them: a slope that is zero or not finite counts as one.
  var itkRescale: Rescale {
    let usable = slope.isFinite && abs(slope) > .ulpOfOne ? slope : 1
    return Rescale(slope: usable, intercept: intercept.isFinite ? intercept : 0)
  }

  /// Spacing, origin and direction. Throws `badInput` when only a sheared affine is there, as ITK does.
  func itkGeometry(dimensions count: Int) throws -> ITKGeometry {
    // Units of length: 1 is metres, 3 is micrometres; all else counts as millimetres.
    let unit = units & 7 == 1 ? 1000 : units & 7 == 3 ? 0.001 : 1
    var full = ITKGeometry(dimensions: 4)
    for axis in 0..<4 where axis + 1 < pixelDimensions.count {
      let size = abs(pixelDimensions[axis + 1])
      let scale = axis < 3 ? unit : 1
      full.spacing[axis] = (size.isFinite && size != 0 ? size : 1) * scale
    }
    if let (matrix, translation) = try itkTransform() {
      for row in 0..<3 {
        // RAS to LPS; subtracted from zero, so that no zero turns negative.
        full.origin[row] = (row < 2 ? 0 - translation[row] : translation[row]) * unit
        for column in 0..<3 {
          full.direction[row * 4 + column] = row < 2 ? 0 - matrix[row, column] : matrix[row, column]
        }
      }
    }
    // ITK keeps spacing positive and turns the axis instead.
    for axis in 0..<3 where axis + 1 < pixelDimensions.count && pixelDimensions[axis + 1] < 0 {
      for row in 0..<3 { full.direction[row * 4 + axis] = 0 - full.direction[row * 4 + axis] }
    }
    return full.resized(to: count)
  }

  /// Unit columns and translation in RAS, or nil without a usable form.
  private func itkTransform() throws -> (Matrix3, [Double])? {
    let affine = affineCode > 0 ? Affine(rows: affineRows) : nil
    let quaternion = quaternionCode > 0 ? singlePrecisionQuaternionAffine() : nil
    guard affine != nil || quaternion != nil else { return nil }
    let unitAffine = affine.map { $0.matrix.unitColumns() }
    let isOrthonormal = unitAffine.map { $0.isOrthonormal(within: 1e-4) } ?? false
    if let affine, let unitAffine, isOrthonormal {
      guard let quaternion else { return (unitAffine, affine.translation) }
      // The scanner's affine wins; another one only when it says the same, then being the more precise of the two.
      if affineCode == 1 || affine.isClose(to: quaternion, within: 1e-4) { return (unitAffine, affine.translation) }
    }
    if let quaternion { return (quaternion.matrix.unitColumns(), quaternion.translation) }
    throw Failure(
      .badInput, "has a sheared or degenerate affine (sform), which this reader does not support",
      hint: "resample the image to an orthogonal grid, or use a model trained with NibabelIO")
  }

  /// The qform as a matrix in single precision, which is what the NIfTI library keeps.
  private func singlePrecisionQuaternionAffine() -> Affine {
    func finite(_ value: Double) -> Double { value.isFinite ? value : 0 }
    let (b, c, d) = (finite(quaternion[0]), finite(quaternion[1]), finite(quaternion[2]))
    let rotation = Matrix3(quaternion: (b, c, d), tolerance: 1e-7)
    var matrix = Matrix3()
    for column in 0..<3 {
      let size = finite(pixelDimensions[column + 1])
      var scale = size > 0 ? size : 1
      if column == 2, pixelDimensions[0] < 0 { scale = -scale }
      for row in 0..<3 {
        let value = rotation[row, column] * scale
        matrix[row, column] = isVersion2 ? value : Double(Float(value))
      }
    }
    return Affine(matrix: matrix, translation: quaternionOffset.map(finite))
  }
}
