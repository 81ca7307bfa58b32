import Basics
import Imaging

extension Orientation {
  /// The re-arrangement after which the index axes of an image run towards the sides that `code` names: with "LPS", x runs
  /// to the left, y to the back and z up. An oblique axis counts as the one it is closest to.
  ///
  /// - Parameter geometry: of the image as its voxels lie now.
  /// - Throws: `badInput` when `code` is no orientation, and for images that have none: pictures and stacks.
  public init(turning geometry: SourceGeometry, towards code: String) throws {
    let direction: Matrix3
    switch geometry {
    case .itk(let dimensions, let spacing, let origin, let values, _) where dimensions > 2:
      direction = Matrix3(ITKGeometry(spacing: spacing, origin: origin, direction: values).resized(to: 3).direction)
    case .nifti(let affine, let reoriented):
      // To the right and to the front in NIfTI are to the left and to the back here.
      let columns = Affine(rows: reoriented ?? affine).matrix.unitColumns()
      direction = Matrix3((0..<9).map { $0 < 6 ? -columns[$0 / 3, $0 % 3] : columns[$0 / 3, $0 % 3] })
    default:
      throw Failure(
        .badInput, "has no orientation and cannot be turned to \(code)", hint: "a volume with an affine is needed")
    }
    try self.init(from: Self.code(ofDirection: direction), to: code)
  }
}

extension Image {
  /// The image with its voxels and spacing re-arranged. The geometry stays that of the file.
  public func turned(by orientation: Orientation) -> Image {
    if orientation.isIdentity { return self }
    let sizes = orientation.permuted([spacing.x, spacing.y, spacing.z])
    return Image(
      voxels: orientation.apply(to: voxels), spacing: Vector3D(sizes[2], sizes[1], sizes[0]), geometry: geometry,
      warnings: warnings)
  }
}

extension LabelMap {
  /// The labels in another arrangement.
  public func reoriented(_ orientation: Orientation) -> LabelMap {
    switch self {
    case .uint8(let volume): .uint8(orientation.apply(to: volume))
    case .uint16(let volume): .uint16(orientation.apply(to: volume))
    }
  }
}
