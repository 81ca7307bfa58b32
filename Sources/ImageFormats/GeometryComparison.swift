import Imaging

extension SourceGeometry {
  /// Whether two grids agree: every number to within numpy's `allclose` tolerances (relative 1e-5, absolute 1e-8).
  ///
  /// Spacing, origin and orientation are compared; grids of different readers never agree.
  public func isClose(to other: SourceGeometry) -> Bool {
    switch (self, other) {
    case (
      .itk(let dimensions, let spacing, let origin, let direction, _),
      .itk(let otherDimensions, let otherSpacing, let otherOrigin, let otherDirection, _)
    ):
      return dimensions == otherDimensions && Self.agree(spacing, otherSpacing) && Self.agree(origin, otherOrigin)
        && Self.agree(direction, otherDirection)
    case (.nifti(let affine, let reoriented), .nifti(let otherAffine, let otherReoriented)):
      return Self.agree(reoriented ?? affine, otherReoriented ?? otherAffine)
    case (.natural2D, .natural2D): return true
    case (.tiff(let spacing), .tiff(let otherSpacing)): return Self.agree(spacing.axes, otherSpacing.axes)
    default: return false
    }
  }

  private static func agree(_ left: [Double], _ right: [Double]) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { ChannelFile.isClose($0, $1) }
  }
}
