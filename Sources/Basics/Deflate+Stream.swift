import CZlib

/// Inflating a stream piece by piece with zlib, where libdeflate's all-or-nothing calls do not fit: reading only the
/// beginning, and telling what is wrong with damaged data.
enum ZlibStream {
  /// What surrounds the DEFLATE data. The raw value is zlib's `windowBits`.
  enum Wrapper: Int32 {
    /// Nothing (RFC 1951).
    case none = -15
    /// A zlib header and Adler-32 (RFC 1950).
    case zlib = 15
    /// A gzip header and CRC-32 (RFC 1952).
    case gzip = 31
  }

  /// How an inflation ended.
  enum End: Equatable {
    case outputFull
    /// The stream ended; `consumed` input bytes belonged to it.
    case streamEnd(consumed: Int)
    case inputExhausted
    case damaged(String)
  }

  /// Inflates one stream from `source` into `output` until one of them ends.
  static func inflate(
    _ source: UnsafeRawBufferPointer, wrapper: Wrapper, into output: UnsafeMutableRawBufferPointer
  ) throws -> (end: End, written: Int) {
    var written = 0
    let end = try run(source, wrapper: wrapper) { stream in
      guard written < output.count else { return false }
      let room = min(output.count - written, 1 << 30)
      stream.next_out = baseAddress(of: output).advanced(by: written).assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(room)
      return true
    } produced: {
      written += $0
    }
    return (end, written)
  }

  /// Inflates one stream without keeping the result and returns how many bytes of `source` belonged to it. Throws
  /// `badInput`, saying what is wrong.
  static func verify(_ source: UnsafeRawBufferPointer, wrapper: Wrapper) throws -> Int {
    let scratchSize = 1 << 16
    let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: scratchSize)
    defer { scratch.deallocate() }
    var total = 0
    let end = try run(source, wrapper: wrapper) { stream in
      stream.next_out = scratch
      stream.avail_out = UInt32(scratchSize)
      return true
    } produced: {
      total += $0
    }
    switch end {
    case .streamEnd(let consumed): return consumed
    case .damaged(let reason):
      throw Failure(.badInput, "its compressed data are damaged after \(total) bytes: \(reason)", hint: copyHint)
    case .inputExhausted, .outputFull:
      throw Failure(.badInput, "its compressed data end early, after \(total) bytes", hint: copyHint)
    }
  }

  /// The failure that explains why `source` could not be inflated.
  static func diagnosis(of source: UnsafeRawBufferPointer, wrapper: Wrapper) -> Failure {
    do {
      _ = try verify(source, wrapper: wrapper)
    } catch let failure as Failure {
      return failure
    } catch {}
    return Failure(.badInput, "its compressed data are damaged", hint: copyHint)
  }

  private static let copyHint = "the file was probably not copied or downloaded completely"

  /// Runs zlib. `room` points the stream at free output, or returns false to stop; `produced` hears how much was used.
  private static func run(
    _ source: UnsafeRawBufferPointer, wrapper: Wrapper, room: (inout z_stream) -> Bool, produced: (Int) -> Void
  ) throws -> End {
    var stream = z_stream()
    guard
      inflateInit2_(&stream, wrapper.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw outOfMemory() }
    defer { inflateEnd(&stream) }
    let base = UnsafeMutablePointer(mutating: baseAddress(of: source).assumingMemoryBound(to: UInt8.self))
    var fed = 0
    while true {
      if stream.avail_in == 0, fed < source.count {
        let piece = min(source.count - fed, 1 << 30)
        stream.next_in = base + fed
        stream.avail_in = UInt32(piece)
        fed += piece
      }
      guard room(&stream) else { return .outputFull }
      let before = stream.avail_out
      let status = CZlib.inflate(&stream, Z_NO_FLUSH)
      let made = Int(before - stream.avail_out)
      produced(made)
      switch status {
      case Z_OK: continue
      case Z_STREAM_END: return .streamEnd(consumed: fed - Int(stream.avail_in))
      case Z_BUF_ERROR where made == 0 && stream.avail_in == 0 && fed == source.count: return .inputExhausted
      case Z_BUF_ERROR: continue
      case Z_MEM_ERROR: throw outOfMemory()
      case Z_NEED_DICT: return .damaged("it asks for a preset dictionary")
      default: return .damaged(stream.msg.map { String(cString: $0) } ?? "invalid data")
      }
    }
  }
}
