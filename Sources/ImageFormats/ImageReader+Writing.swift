import Basics
import Imaging

extension ImageReader {
  /// Writes a segmentation on the grid of the image it belongs to, as nnU-Net's class of this name would.
  ///
  /// The numbers are 8-bit while the largest label is below 255, else 16-bit. The file appears whole or not at all, and
  /// is compressed on all cores.
  ///
  /// - Parameters:
  ///   - labels: (Z, Y, X), in the axis order in which this reader gave the image.
  ///   - path: Its ending decides the format: .nii, .nii.gz, .nrrd, .mha, .mhd for ITK's readers, .nii and .nii.gz for
  ///     nibabel's, .png, .bmp and .tif for pictures, .tif and .tiff for stacks.
  ///   - geometry: What `read` returned.
  /// - Throws: `cannotWrite` for an ending this reader does not write, for a full disk and the like; `internalError` when
  ///   `geometry` comes from another reader.
  public func write(_ labels: LabelMap, as path: String, like geometry: SourceGeometry) throws {
    try locating(path) {
      switch (self, geometry) {
      case (
        .simpleITK, .itk(let dimensions, let spacing, let origin, let direction, _)
      ), (.simpleITKReoriented, .itk(let dimensions, let spacing, let origin, let direction, nil)):
        // Labels have no channels: of a 4D image the last axis is dropped.
        let grid = ITKGeometry(spacing: spacing, origin: origin, direction: direction)
        let target = grid.resized(to: min(dimensions, 3))
        try OutputFile(labels, rule: .byLargestLabel).writeITK(to: path, geometry: target)
      case (.simpleITKReoriented, .itk(_, let spacing, let origin, let direction, let original?)):
        let grid = ITKGeometry(spacing: spacing, origin: origin, direction: direction)
        guard grid.dimensions == 3 else { throw Failure(.internalError, "only 3D images can have been re-oriented") }
        let current = Orientation.code(ofDirection: Matrix3(direction))
        let back = try Orientation(from: current, to: original)
        let sizes = [labels.shape.x, labels.shape.y, labels.shape.z]
        try OutputFile(labels.reoriented(back), rule: .bytesWherePossible).writeITK(
          to: path, geometry: back.apply(to: grid, sizes: sizes))
      case (.nibabel, .nifti(let affine, _)):
        try OutputFile(labels, rule: .byLargestLabel).writeNibabel(to: path, affine: Affine(rows: affine))
      case (.nibabelReoriented, .nifti(let affine, let reoriented)):
        let back = try Orientation(closestCanonical: Affine(rows: affine)).inverse
        let sizes = [labels.shape.x, labels.shape.y, labels.shape.z]
        let restored = back.apply(to: Affine(rows: reoriented ?? affine), sizes: sizes)
        try OutputFile(labels.reoriented(back), rule: .byLargestLabel).writeNibabel(to: path, affine: restored)
      case (.naturalImage2D, .natural2D): try OutputFile(labels, rule: .byLargestLabel).writePicture(to: path)
      case (.tiff3D, .tiff(let spacing)):
        try OutputFile(labels, rule: .byLargestLabel).writeStack(to: path, spacing: spacing)
      default: throw Failure(.internalError, "\(rawValue) cannot write on a grid that another reader read")
      }
    }
  }
}
