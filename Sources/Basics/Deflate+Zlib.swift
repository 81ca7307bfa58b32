import CLibDeflate

/// DEFLATE data between a two-byte header and an Adler-32 checksum (RFC 1950), as MetaImage holds it.
public enum Zlib {
  /// Inflates `source` into `output`, which must be filled exactly; bytes after the stream are ignored.
  ///
  /// Throws `badInput` when the data are damaged, end early, or do not have the size of `output`.
  public static func inflate(_ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws {
    let decompressor = try Decompressor()
    var (consumed, written) = (0, 0)
    let result = libdeflate_zlib_decompress_ex(
      decompressor.handle, baseAddress(of: source), source.count, baseAddress(of: output), output.count, &consumed,
      &written)
    switch result {
    case LIBDEFLATE_SUCCESS where written == output.count: return
    case LIBDEFLATE_SUCCESS, LIBDEFLATE_SHORT_OUTPUT:
      throw Failure(.badInput, "its compressed data hold \(written) bytes where \(output.count) were expected")
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      throw Failure(.badInput, "its compressed data hold more than the expected \(output.count) bytes")
    default: throw ZlibStream.diagnosis(of: source, wrapper: .zlib)
    }
  }

  /// Deflates `bytes` at a zlib level; large inputs on all cores.
  public static func compress(_ bytes: UnsafeRawBufferPointer, level: Int = 6) throws -> [UInt8] {
    member(try ParallelDeflate.compress(bytes, level: level, check: .adler32))
  }

  static func member(_ result: ParallelDeflate.Result) -> [UInt8] {
    // Method 8 with a 32 KiB window, default level, no dictionary; RFC 1950 section 2.2.
    result.joined(
      prefix: [0x78, 0x9C], suffix: (0..<4).map { UInt8(truncatingIfNeeded: result.check >> (24 - 8 * $0)) })
  }
}
