import Basics
import Checkpoints
import Imaging

/// Understands what nnU-Net keeps of an image's grid in `<case>.pkl`.
enum GeometryProperties {
  /// The grid a segmentation is written on. Throws `badInput` when the properties lack what a reader has put there.
  static func geometry(_ properties: PickleValue) throws -> SourceGeometry {
    if let itk = properties["sitk_stuff"] {
      guard let spacing = doubles(itk["spacing"]), let origin = doubles(itk["origin"]),
        let direction = doubles(itk["direction"]), origin.count == spacing.count,
        direction.count == spacing.count * spacing.count
      else { throw Failure(.badInput, "its \"sitk_stuff\" lacks spacing, origin or direction") }
      return .itk(
        dimensions: spacing.count, spacing: spacing, origin: origin, direction: direction,
        originalOrientation: itk["original_orientation"]?.string)
    }
    if let nibabel = properties["nibabel_stuff"] {
      guard let affine = doubles(nibabel["original_affine"]), affine.count == 16 else {
        throw Failure(.badInput, "its \"nibabel_stuff\" lacks the affine matrix")
      }
      return .nifti(affine: affine, reorientedAffine: doubles(nibabel["reoriented_affine"]))
    }
    guard let spacing = doubles(properties["spacing"]), spacing.count == 3 else {
      throw Failure(.badInput, "does not hold the properties of a case")
    }
    // Pictures have no scale, and say so with this number.
    if spacing[0] == 999, spacing[1] == 1, spacing[2] == 1 { return .natural2D }
    return .tiff(spacing: Vector3D(spacing[0], spacing[1], spacing[2]))
  }

  /// Numbers in a list, a tuple, an array, or a list of these, one after the other.
  private static func doubles(_ value: PickleValue?) -> [Double]? {
    guard let value else { return nil }
    if let tensor = value.tensor { return tensor.doubles() }
    guard let items = value.sequence else { return value.double.map { [$0] } }
    var all: [Double] = []
    for item in items {
      guard let numbers = doubles(item) else { return nil }
      all += numbers
    }
    return all
  }
}
