import Imaging

/// A matrix and a translation: voxel index (i, j, k), fastest axis first, to world millimetres (RAS in NIfTI).
public struct Affine: Equatable, Sendable {
  var matrix: Matrix3
  var translation: [Double]

  init(matrix: Matrix3, translation: [Double]) {
    self.matrix = matrix
    self.translation = translation
  }

  /// From three rows of four, at least 12 numbers.
  public init(rows: [Double]) {
    matrix = Matrix3((0..<9).map { rows[$0 / 3 * 4 + $0 % 3] })
    translation = [rows[3], rows[7], rows[11]]
  }

  /// Row-major 4x4.
  public var values: [Double] {
    (0..<16).map { index in
      let (row, column) = (index / 4, index % 4)
      if row == 3 { return column == 3 ? 1 : 0 }
      return column == 3 ? translation[row] : matrix[row, column]
    }
  }

  /// The lengths of the index axes' steps in mm, (Z, Y, X), rounded to single precision as nibabel's `get_zooms` has them.
  public var voxelSizes: Vector3D {
    let sizes = (0..<3).map { Double(Float(matrix.columnNorm($0))) }
    return Vector3D(sizes[2], sizes[1], sizes[0])
  }

  /// The affine of a grid that begins at voxel `corner` (Z, Y, X) of this one.
  public func moved(to corner: Shape3D) -> Affine {
    var result = self
    let index = [corner.x, corner.y, corner.z].map(Double.init)
    for row in 0..<3 {
      result.translation[row] += (0..<3).reduce(0) { $0 + matrix[row, $1] * index[$1] }
    }
    return result
  }

  /// The affine with steps shortened by `factors` (Z, Y, X): columns divided, origin kept.
  public func divided(by factors: Vector3D) -> Affine {
    var result = self
    for column in 0..<3 {
      for row in 0..<3 { result.matrix[row, column] /= factors[2 - column] }
    }
    return result
  }

  /// Whether translations, column lengths and column directions agree.
  func isClose(to other: Affine, within tolerance: Double) -> Bool {
    let (unit, otherUnit) = (matrix.unitColumns(), other.matrix.unitColumns())
    return zip(translation, other.translation).allSatisfy { abs($0 - $1) <= tolerance }
      && (0..<3).allSatisfy { abs(matrix.columnNorm($0) - other.matrix.columnNorm($0)) <= tolerance }
      && zip(unit.values, otherUnit.values).allSatisfy { abs($0 - $1) <= tolerance }
  }
}

extension SourceGeometry {
  /// The geometry ITK finds for a volume with this affine (RAS): spacing in single precision, axes and origin in LPS.
  public static func itk(volumeAffine affine: Affine) -> SourceGeometry {
    let sizes = affine.voxelSizes
    let signs = [-1.0, -1.0, 1.0]
    let direction = (0..<9).map { index in
      signs[index / 3] * affine.matrix[index / 3, index % 3] / affine.matrix.columnNorm(index % 3)
    }
    return .itk(
      dimensions: 3, spacing: [sizes.x, sizes.y, sizes.z], origin: zip(signs, affine.translation).map(*),
      direction: direction, originalOrientation: nil)
  }
}
