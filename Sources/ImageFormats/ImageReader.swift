import Basics
import Imaging

/// The ways nnU-Net reads and writes images. The raw value is the class name that plans.json holds.
///
/// Each keeps the conventions of the library it is named after: which of a NIfTI header's forms counts, what the
/// spacing of a 2D image is, and what a written file says about its grid.
public enum ImageReader: String, Sendable, CaseIterable {
  /// ITK's conventions; NIfTI, NRRD, MetaImage, and 2D pictures of one channel.
  case simpleITK = "SimpleITKIO"
  /// The same, with 3D images turned so that their index axes run towards R, A and S.
  case simpleITKReoriented = "SimpleITKIOWithReorient"
  /// nibabel's conventions; 3D NIfTI.
  case nibabel = "NibabelIO"
  /// The same, with images turned to the closest RAS+ orientation.
  case nibabelReoriented = "NibabelIOWithReorient"
  /// 2D pictures without a scale, grey or in colour.
  case naturalImage2D = "NaturalImage2DIO"
  /// TIFF stacks, with their spacing in a JSON file beside them.
  case tiff3D = "Tiff3DIO"

  /// Reads one case: the files of its channels, in channel order.
  ///
  /// - Parameters:
  ///   - paths: One file a channel; a file may hold several (4D images, colours).
  ///   - areLabels: Whether it is a segmentation, whose files are named without the number of a channel; `readLabels`
  ///     takes whole numbers only.
  /// - Returns: Voxels (C, Z, Y, X) as floats, channels in file order; spacing and geometry of the first file. Grids
  ///   that differ in origin or orientation are reported in `warnings`.
  /// - Throws: `missingInput` when a file is absent; `badInput` when one is damaged, has a format or shape this reader
  ///   does not take, or disagrees with the first in shape or spacing (both files are named).
  public func read(_ paths: [String], areLabels: Bool = false) throws -> Image {
    guard !paths.isEmpty else { throw Failure(.badInput, "a case without image files cannot be read") }
    let files = try paths.map { try ChannelFile(EncodedImage.open($0), reader: self) }
    let warnings = try ChannelFile.check(files)
    let image = try ChannelFile.decode(files)
    return try finish(image, files: files, warnings: warnings, areLabels: areLabels)
  }

  /// File endings that nnU-Net lists for this reader, in lower case. `read` takes more for ITK's reader.
  public var endings: [String] {
    switch self {
    case .simpleITK, .simpleITKReoriented: [".nii.gz", ".nrrd", ".mha", ".nii", ".mhd"]
    case .nibabel, .nibabelReoriented: [".nii", ".nii.gz"]
    case .naturalImage2D: [".png", ".bmp", ".tif"]
    case .tiff3D: [".tif", ".tiff"]
    }
  }

  /// Adds what concerns the case as a whole: re-orientation, and the side file of TIFF stacks.
  private func finish(
    _ volume: Volume<Float>, files: [ChannelFile], warnings: [String], areLabels: Bool
  ) throws -> Image {
    let first = files[0]
    var image = Image(voxels: volume, spacing: first.spacing, geometry: first.geometry, warnings: warnings)
    switch self {
    case .simpleITK, .nibabel, .naturalImage2D: break
    case .tiff3D:
      let (spacing, warning) = try TIFFSpacing.read(first.image.path, areLabels: areLabels)
      image.spacing = spacing
      image.geometry = .tiff(spacing: spacing)
      if let warning { image.warnings.append(warning) }
    case .simpleITKReoriented, .nibabelReoriented: image.voxels = first.orientation.apply(to: volume)
    }
    return image
  }
}
