import Basics
import Imaging

/// What a NIfTI file says besides its voxels, kept so that another image can be written with the same header.
///
/// The header is a little-endian NIfTI-1 header whatever the file was, and repaired as nibabel repairs it.
public struct NIfTITemplate: Sendable, Equatable {
  /// 348 bytes.
  var header: [UInt8]
  /// In the order of the file.
  public var extensions: [NIfTIExtension]
  /// Row-major 4x4 from index (x, y, z) to RAS mm, as nibabel derives it: the sform if it is set, else the qform, else the
  /// voxel sizes.
  public let affine: [Double]
  /// Voxel sizes in mm as the header notes them, (x, y, z). They may differ from the lengths of the affine's columns.
  public let zooms: [Double]
  /// Extents (x, y, z, ...), as many as the file has.
  public let sizes: [Int]

  /// Reads the header of a .nii, .nii.gz, .hdr or .img file; of compressed files only the beginning is decompressed.
  ///
  /// Throws `missingInput`, and `badInput` when it is no NIfTI file.
  public init(path: String) throws {
    self = try locating(path) {
      let headerPath = NIfTI.partner(of: path, isHeader: true)
      let file = try MappedFile(path: headerPath)
      return try withExtendedLifetime(file) { try NIfTITemplate(file.bytes) }
    }
  }

  /// `bytes` are a whole file, which may be compressed.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    func beginning(_ count: Int) throws -> [UInt8] {
      Gzip.hasMagic(bytes) ? try Gzip.prefix(bytes, count: count) : Array(bytes.prefix(count))
    }
    // Four bytes behind the header say whether there are extensions.
    let start = try beginning(NIfTIHeader.size2 + 4)
    let fields = try NIfTIHeader(start)
    let size = fields.isVersion2 ? NIfTIHeader.size2 : NIfTIHeader.size1
    let repaired = fields.repairedLikeNibabel
    affine = try repaired.nibabelAffine().values
    zooms = repaired.nibabelZooms
    sizes = fields.dimensions
    header = NIfTIHeaderLayout.littleEndianVersion1(start, of: fields)
    // Labels of parts of the body take some kilobytes; the bound only keeps damaged headers from filling the memory.
    let end = fields.isSingleFile ? fields.voxelOffset : Int.max
    let isExtended = start.count > size && start[size] != 0
    let front = isExtended ? try beginning(min(end, 1 << 26)) : []
    extensions = NIfTIExtension.parse(front, start: size, isBigEndian: fields.isBigEndian)
  }

  /// The header of a new image: sform with code 2 (aligned), qform unset, no units.
  ///
  /// `sizes` are extents (x, y, z); `affine` is row-major 4x4 to RAS mm. Throws `cannotWrite` for extents above 32767.
  public init(sizes: [Int], affine: [Double]) throws {
    let transform = Affine(rows: affine)
    let bytes = try NIfTI.nibabelHeader(sizes: sizes, type: .uint8, affine: transform)
    header = Array(bytes[..<NIfTIHeader.size1])
    extensions = []
    self.affine = affine
    zooms = (0..<3).map { Double(Float(transform.matrix.columnNorm($0))) }
    self.sizes = sizes
  }
}

extension NIfTIHeader {
  /// nibabel's repairs on loading, as far as the grid depends on them: voxel sizes are positive, the handedness is 1 or
  /// -1, and codes that do not exist count as unset.
  var repairedLikeNibabel: NIfTIHeader {
    var copy = self
    for axis in 1...3 {
      let size = abs(pixelDimensions[axis])
      copy.pixelDimensions[axis] = size == 0 ? 1 : size
    }
    if abs(pixelDimensions[0]) != 1 { copy.pixelDimensions[0] = 1 }
    if !(0...5).contains(quaternionCode) { copy.quaternionCode = 0 }
    if !(0...5).contains(affineCode) { copy.affineCode = 0 }
    return copy
  }
}
