import Basics
import Imaging

/// The header of an image file, and its voxels still encoded.
struct EncodedImage: Sendable {
  enum Format: String, Sendable {
    case nifti1 = "NIfTI-1"
    case nifti2 = "NIfTI-2"
    case nrrd = "NRRD"
    case metaImage = "MetaImage"
    case png = "PNG"
    case tiff = "TIFF"
    case bmp = "BMP"
  }

  var path: String
  var format: Format
  var type: ScalarType
  /// Extents in index order, fastest first: (X, Y), (X, Y, Z) or (X, Y, Z, T).
  var sizes: [Int]
  /// Numbers per voxel: 3 for RGB, 4 for RGBA.
  var components = 1
  /// Whether the components of a voxel lie side by side (RGBRGB) and not plane by plane.
  var isInterleaved = false
  /// The NIfTI header, from which ITK and nibabel derive different grids.
  var nifti: NIfTIHeader?
  /// The grid of formats other than NIfTI.
  var geometry: ITKGeometry
  var voxels: EncodedVoxels

  /// Reads the header of the file at `path`, chosen by the ending of its name and checked by its first bytes.
  ///
  /// Throws `missingInput`, and `badInput` for a malformed or unsupported header.
  static func open(_ path: String) throws -> EncodedImage {
    try locating(path) {
      let name = Path.split(path).name.asciiLowercased
      if name.hasSuffix(".nii") || name.hasSuffix(".nii.gz") || name.hasSuffix(".hdr") || name.hasSuffix(".img")
        || name.hasSuffix(".img.gz") || name.hasSuffix(".hdr.gz")
      {
        return try NIfTI.open(path)
      }
      let file = try MappedFile(path: path)
      guard !file.bytes.isEmpty else { throw Failure(.badInput, "is empty") }
      if name.hasSuffix(".nrrd") || name.hasSuffix(".nhdr") { return try NRRD.open(file) }
      if name.hasSuffix(".mha") || name.hasSuffix(".mhd") { return try MetaImage.open(file) }
      if name.hasSuffix(".png") { return try PNG.open(file) }
      if name.hasSuffix(".tif") || name.hasSuffix(".tiff") { return try TIFF.open(file) }
      if name.hasSuffix(".bmp") { return try BMP.open(file) }
      throw Failure(.badInput, "has an ending no image format is known for", hint: Self.knownEndings)
    }
  }

  /// The grid as ITK sees it. Throws `badInput` for a sheared NIfTI affine.
  func itkGeometry() throws -> ITKGeometry {
    try locating(path) { try nifti?.itkGeometry(dimensions: sizes.count) ?? geometry }
  }

  static let knownEndings = "known are .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, .png, .tif, .tiff and .bmp"
}

/// Multiplies extents read from a file. Throws `badInput` when one is not positive or the product overflows.
func voxelCount(_ sizes: [Int]) throws -> Int {
  var count = 1
  for size in sizes {
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard size > 0, !overflow else {
      throw Failure(.badInput, "has the impossible size \(sizes.map(String.init).joined(separator: " x "))")
    }
    count = product
  }
  return count
}

extension String {
  /// Lower case for ASCII letters only; file endings need no more.
  var asciiLowercased: String {
    String(decoding: utf8.map { (65...90).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
  }
}
