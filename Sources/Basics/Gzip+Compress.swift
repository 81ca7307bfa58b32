import CLibDeflate

extension Gzip {
  /// `bytes` as a gzip file of one member, without a name and without a time, so that equal input gives equal files.
  ///
  /// Small inputs are deflated by libdeflate, those of 1 MiB and more on all cores. `level` is zlib's, 1 (fast) to 9
  /// (small).
  public static func compress(_ bytes: UnsafeRawBufferPointer, level: Int = 6) throws -> [UInt8] {
    if bytes.count < ParallelDeflate.threshold {
      let compressor = try Compressor(level: level)
      let bound = libdeflate_gzip_compress_bound(compressor.handle, bytes.count)
      let base = baseAddress(of: bytes)
      return [UInt8](unsafeUninitializedCapacity: bound) { buffer, initialized in
        initialized = libdeflate_gzip_compress(compressor.handle, base, bytes.count, buffer.baseAddress, bound)
      }
    }
    return member(try ParallelDeflate.compress(bytes, level: level, check: .crc32), size: bytes.count)
  }

  static func member(_ result: ParallelDeflate.Result, size: Int) -> [UInt8] {
    // Magic, method 8, no flags, no time, no extra flags, unknown system; RFC 1952 section 2.3.
    let header: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
    return result.joined(
      prefix: header, suffix: littleEndian(result.check) + littleEndian(UInt32(truncatingIfNeeded: size)))
  }

  /// `bytes` as a gzip file of one member.
  public static func compress(_ bytes: [UInt8], level: Int = 6) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try compress($0, level: level) }
  }

  private static func littleEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}
