/// What a reader knew about an image's place in the world, kept so that a segmentation can be written on the same grid.
///
/// Each case holds what the nnU-Net reader of that name keeps, in that reader's own axis order.
public enum SourceGeometry: Sendable, Equatable {
  /// ITK conventions: tuples in index order (x, y, z), world axes LPS, `direction` row-major (4, 9 or 16
  /// values). `dimensions` is 2, 3 or 4. `originalOrientation` is set when the image was re-oriented to RAS on reading: the
  /// letters of the directions its index axes ran towards, as "LPS" is written.
  case itk(dimensions: Int, spacing: [Double], origin: [Double], direction: [Double], originalOrientation: String?)
  /// nibabel conventions: a row-major 4x4 affine from index (i, j, k) to RAS mm. `reorientedAffine` is set when the
  /// image was permuted and flipped to the closest RAS+ orientation on reading.
  case nifti(affine: [Double], reorientedAffine: [Double]?)
  /// A 2D natural image; it has no geometry.
  case natural2D
  /// A TIFF stack with the spacing (Z, Y, X) of its side file.
  case tiff(spacing: Vector3D)
}

/// An image as a network's preprocessing wants it.
public struct Image: Sendable {
  /// (C, Z, Y, X)
  public var voxels: Volume<Float>
  /// Voxel spacing in mm, array axis order (Z, Y, X). For 2D images the first entry is a stand-in (999 and the like).
  public var spacing: Vector3D
  public var geometry: SourceGeometry
  /// What a reader found odd but not wrong: channels whose origins differ, say. Sentences with file names.
  public var warnings: [String]

  public init(voxels: Volume<Float>, spacing: Vector3D, geometry: SourceGeometry, warnings: [String] = []) {
    self.voxels = voxels
    self.spacing = spacing
    self.geometry = geometry
    self.warnings = warnings
  }
}
