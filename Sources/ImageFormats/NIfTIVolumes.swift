import Basics

/// The volumes of a NIfTI file with four axes.
public enum NIfTIVolumes {
  /// Writes one volume along the fourth axis to a gzipped 3D file; numbers, scaling and grid stay as they are.
  ///
  /// Throws `missingInput`, `badInput` when the file has no such volume, and `cannotWrite`.
  public static func extract(_ index: Int, of source: String, to target: String) throws {
    let bytes = try locating(source) {
      let file = try MappedFile(path: source)
      return try withExtendedLifetime(file) {
        let content = Gzip.hasMagic(file.bytes) ? try Gzip.decompress(file.bytes) : Array(file.bytes)
        return try volume(index, of: content)
      }
    }
    try AtomicFile.write(Gzip.compress(bytes), to: target, flushes: false)
  }

  /// The file of one volume, not compressed.
  private static func volume(_ index: Int, of content: [UInt8]) throws -> [UInt8] {
    let header = try NIfTIHeader(content)
    let sizes = header.dimensions
    guard header.isSingleFile, sizes.count >= 4, sizes.dropFirst(4).allSatisfy({ $0 == 1 }),
      sizes.allSatisfy({ $0 > 0 }), index < sizes[3]
    else { throw Failure(.badInput, "has no volume \(index) along a fourth axis") }
    let (size, overflow) = try voxelCount(Array(sizes[..<3])).multipliedReportingOverflow(
      by: header.scalarType().byteCount)
    let (last, overflow2) = size.multipliedReportingOverflow(by: sizes[3])
    guard !overflow, !overflow2, last <= content.count - header.voxelOffset else {
      throw Failure(.badInput, "ends before its last voxel", hint: "the file was probably not copied completely")
    }
    let start = header.voxelOffset + index * size
    var beginning = Array(content[..<header.voxelOffset])
    // dim[0] and dim[4...7]: 16-bit numbers from byte 40 on, or 64-bit ones from byte 16 on.
    for axis in [0, 4, 5, 6, 7] {
      let value = axis == 0 ? 3 : 1
      let width = header.isVersion2 ? 8 : 2
      let offset = (header.isVersion2 ? 16 : 40) + axis * width
      for byte in 0..<width {
        let place = header.isBigEndian ? width - 1 - byte : byte
        beginning[offset + place] = UInt8(truncatingIfNeeded: value >> (8 * byte))
      }
    }
    return beginning + content[start..<start + size]
  }
}
