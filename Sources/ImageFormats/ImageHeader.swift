import Basics
import Imaging

/// What a file says about its image, without its voxels being read.
public struct ImageHeader: Sendable, Equatable {
  /// "NIfTI-1", "NRRD", "PNG" and so on.
  public var format: String
  public var isCompressed: Bool
  /// The type of the stored numbers, before any rescaling.
  public var type: ScalarType
  /// Channels: the length of a fourth axis, or the colours of a pixel.
  public var channels: Int
  /// (Z, Y, X); one slice for a picture.
  public var shape: Shape3D
  /// In mm, (Z, Y, X), as ITK derives it; one where the file does not say.
  public var spacing: Vector3D
  /// World position of the first voxel's centre in mm (x, y, z; LPS); as many numbers as there are spatial axes.
  public var origin: [Double]
  /// The sides that the index axes (x, y, z) run towards, such as "LPS"; nil for 2D images.
  public var orientation: String?
  /// Slope and intercept that turn stored numbers into intensities; nil when stored numbers are intensities.
  public var rescale: RescaleValues?

  public struct RescaleValues: Sendable, Equatable {
    public var slope: Double
    public var intercept: Double
  }

  /// Reads a header. Cheap for compressed files too: only the first bytes are decompressed.
  ///
  /// Throws `missingInput`, and `badInput` for damaged or unsupported files.
  public static func read(_ path: String) throws -> ImageHeader {
    let image = try EncodedImage.open(path)
    // A sheared NIfTI affine has no ITK grid, but is still worth describing.
    let grid = (try? image.itkGeometry()) ?? ITKGeometry(dimensions: image.sizes.count)
    let spatial = grid.resized(to: 3)
    let sizes = image.sizes
    let rescale = image.voxels.conversion.rescale
    let isCompressed =
      switch image.voxels.encoding {
      case .gzip, .zlib: true
      default: image.format == .png
      }
    return ImageHeader(
      format: image.format.rawValue, isCompressed: isCompressed, type: image.type,
      channels: sizes.count == 4 ? sizes[3] * image.components : image.components,
      shape: Shape3D(sizes.count > 2 ? sizes[2] : 1, sizes[1], sizes[0]),
      spacing: Vector3D(spatial.spacing[2], spatial.spacing[1], spatial.spacing[0]),
      origin: Array(spatial.origin[..<min(3, sizes.count)]),
      orientation: sizes.count > 2 ? Orientation.code(ofDirection: Matrix3(spatial.direction)) : nil,
      rescale: rescale.isIdentity ? nil : RescaleValues(slope: rescale.slope, intercept: rescale.intercept))
  }
}
