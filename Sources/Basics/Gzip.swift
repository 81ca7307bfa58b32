import CLibDeflate

/// gzip files (RFC 1952), of one member or several in a row.
public enum Gzip {
  /// Whether `bytes` begin as a gzip file does.
  public static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
  }

  /// The decompressed content.
  ///
  /// - Parameters:
  ///   - sizeHint: The expected number of bytes; without it, the size noted at the end of the file is tried first.
  ///   - maximum: More bytes than this are refused, so that a small file cannot fill the memory.
  /// - Throws: `badInput` for damaged or truncated data, and for more than `maximum` bytes.
  public static func decompress(
    _ bytes: UnsafeRawBufferPointer, sizeHint: Int? = nil, maximum: Int = 1 << 36
  ) throws -> [UInt8] {
    // What the file can back, whatever its last four bytes or the caller say.
    let ceiling = min(maximum, saturatingProduct(bytes.count, Deflate.maximumExpansion))
    var capacity = min(max(sizeHint ?? notedSize(bytes), 1024), ceiling)
    while true {
      var isComplete = false
      let content = try [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
        let output = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: capacity)
        (initialized, isComplete) = try inflateMembers(bytes, into: output)
      }
      if isComplete { return content }
      guard capacity < ceiling else {
        throw Failure(.badInput, "holds more than \(maximum) bytes when decompressed")
      }
      capacity = min(ceiling, capacity * 2)
    }
  }

  /// Decompresses the first `output.count` bytes of the content, or all of it when it is shorter, straight into
  /// `output`, and returns how many there were.
  ///
  /// Content beyond `output` is checked but not kept: damage in the middle of a file often makes it longer, and only the
  /// checksum at the end tells. Throws `badInput` for damaged or truncated data.
  public static func decompress(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    let (written, isComplete) = try inflateMembers(bytes, into: output)
    if isComplete { return written }
    // There is more than fits. libdeflate promises nothing about the buffer in that case; zlib stops where told.
    let beginning = try inflateBeginning(bytes, into: output)
    try verify(bytes)
    return beginning
  }

  /// Throws `badInput` unless every member decompresses to what its checksum promises.
  private static func verify(_ bytes: UnsafeRawBufferPointer) throws {
    var position = 0
    while hasMagic(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
      position += try ZlibStream.verify(UnsafeRawBufferPointer(rebasing: bytes[position...]), wrapper: .gzip)
    }
  }

  /// The first bytes of the content, at most `count`. Throws `badInput`.
  public static func prefix(_ bytes: UnsafeRawBufferPointer, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = try inflateBeginning(
        bytes, into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
    }
  }

  /// All members, when they fit; `isComplete` is false when `output` is too small.
  private static func inflateMembers(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws -> (written: Int, isComplete: Bool) {
    guard hasMagic(bytes) else { throw notGzip(bytes) }
    let decompressor = try Decompressor()
    var (position, written) = (0, 0)
    // Padding after the last member is common (tapes, block devices) and is skipped, as gzip(1) does.
    while hasMagic(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
      var (consumed, produced) = (0, 0)
      let result = libdeflate_gzip_decompress_ex(
        decompressor.handle, baseAddress(of: rest), rest.count, baseAddress(of: output).advanced(by: written),
        output.count - written, &consumed, &produced)
      switch result {
      case LIBDEFLATE_SUCCESS:
        position += consumed
        written += produced
      case LIBDEFLATE_INSUFFICIENT_SPACE: return (written, false)
      default: throw ZlibStream.diagnosis(of: rest, wrapper: .gzip)
      }
    }
    return (written, true)
  }

  private static func inflateBeginning(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    guard hasMagic(bytes) else { throw notGzip(bytes) }
    var (position, written) = (0, 0)
    while written < output.count, hasMagic(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
      let free = UnsafeMutableRawBufferPointer(rebasing: output[written...])
      let (end, produced) = try ZlibStream.inflate(rest, wrapper: .gzip, into: free)
      written += produced
      switch end {
      case .streamEnd(let consumed): position += consumed
      case .outputFull: return written
      case .inputExhausted, .damaged: throw ZlibStream.diagnosis(of: rest, wrapper: .gzip)
      }
    }
    return written
  }

  /// The size modulo 2^32 that the last member notes.
  private static func notedSize(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard bytes.count >= 18 else { return 0 }
    return Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)))
  }

  private static func notGzip(_ bytes: UnsafeRawBufferPointer) -> Failure {
    Failure(.badInput, bytes.isEmpty ? "is empty" : "is not gzip data, although its name says so")
  }
}

private func saturatingProduct(_ a: Int, _ b: Int) -> Int {
  let (product, overflow) = a.multipliedReportingOverflow(by: b)
  return overflow ? .max : product
}
