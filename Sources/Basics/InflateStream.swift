import CZlib

/// Inflates raw DEFLATE data (RFC 1951) piece by piece, where the whole would not fit into memory.
public final class InflateStream {
  private var stream = z_stream()
  private let source: UnsafeRawBufferPointer
  private var fed = 0
  private var ended = false

  /// - Parameter source: the compressed bytes; they must stay valid as long as this object is used.
  public init(_ source: UnsafeRawBufferPointer) throws {
    self.source = source
    guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw outOfMemory()
    }
  }

  deinit { inflateEnd(&stream) }

  /// Fills `output` with the next bytes. Throws `badInput` when the data are damaged or end before.
  public func read(into output: UnsafeMutableRawBufferPointer) throws {
    var written = 0
    let input = UnsafeMutablePointer(mutating: baseAddress(of: source).assumingMemoryBound(to: UInt8.self))
    while written < output.count {
      guard !ended else { throw Self.endsEarly }
      if stream.avail_in == 0, fed < source.count {
        let piece = min(source.count - fed, 1 << 30)
        stream.next_in = input + fed
        stream.avail_in = UInt32(piece)
        fed += piece
      }
      let room = min(output.count - written, 1 << 30)
      stream.next_out = baseAddress(of: output).advanced(by: written).assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(room)
      let status = CZlib.inflate(&stream, Z_NO_FLUSH)
      let made = room - Int(stream.avail_out)
      written += made
      switch status {
      case Z_OK: continue
      case Z_STREAM_END: ended = true
      case Z_BUF_ERROR:
        guard made > 0 || stream.avail_in > 0 || fed < source.count else { throw Self.endsEarly }
      case Z_MEM_ERROR: throw outOfMemory()
      default:
        throw Failure(
          .badInput, "its compressed data are damaged: \(stream.msg.map { String(cString: $0) } ?? "invalid data")",
          hint: "the file was probably not copied or downloaded completely")
      }
    }
  }

  private static let endsEarly = Failure(
    .badInput, "its compressed data end early", hint: "the file was probably not copied or downloaded completely")
}
