import CLibDeflate
import CZlib

/// One DEFLATE stream made on all cores.
///
/// The input is cut into pieces. Each is deflated on its own, with the 32 KiB before it as its dictionary, and ends in
/// a sync flush, which leaves it on a byte boundary without closing the stream; so the pieces can simply be put in a
/// row. Every inflater reads the result as one ordinary stream.
enum ParallelDeflate {
  /// Inputs smaller than this are not worth cutting.
  static let threshold = 1 << 20
  static let pieceSize = 1 << 19
  static let windowSize = 1 << 15

  /// Which checksum of the uncompressed bytes the container wants.
  enum Check {
    case none, crc32, adler32
  }

  struct Result {
    var pieces: [[UInt8]]
    var check: UInt32

    func joined(prefix: [UInt8] = [], suffix: [UInt8] = []) -> [UInt8] {
      let count = pieces.reduce(prefix.count + suffix.count) { $0 + $1.count }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(count)
      bytes += prefix
      for piece in pieces { bytes += piece }
      bytes += suffix
      return bytes
    }
  }

  /// Deflates `bytes` from `start` on; what lies before has been deflated already and serves as a dictionary. The
  /// stream stays open for more unless `isLast`.
  static func compress(
    _ bytes: UnsafeRawBufferPointer, from start: Int = 0, isLast: Bool = true, level: Int, check: Check
  ) throws -> Result {
    let count = max(1, (bytes.count - start + pieceSize - 1) / pieceSize)
    var pieces = [[UInt8]?](repeating: nil, count: count)
    var checks = [UInt32](repeating: 0, count: count)
    pieces.withUnsafeMutableBufferPointer { pieces in
      checks.withUnsafeMutableBufferPointer { checks in
        let shared = Shared((bytes: bytes, pieces: pieces, checks: checks))
        Parallel.forEach(count) { index in
          let (bytes, pieces, checks) = shared.value
          let range = start + index * pieceSize..<min(bytes.count, start + (index + 1) * pieceSize)
          pieces[index] = deflate(bytes, range, level: level, isLast: isLast && index == count - 1)
          let piece = UnsafeRawBufferPointer(rebasing: bytes[range])
          switch check {
          case .none: break
          case .crc32: checks[index] = Deflate.crc32(piece)
          case .adler32: checks[index] = piece.isEmpty ? 1 : libdeflate_adler32(1, piece.baseAddress, piece.count)
          }
        }
      }
    }
    let complete = pieces.compactMap { $0 }
    guard complete.count == count else { throw outOfMemory() }
    var total = checks[0]
    for index in 1..<max(1, count) {
      let length = min(bytes.count - start, (index + 1) * pieceSize) - index * pieceSize
      switch check {
      case .none: break
      case .crc32: total = UInt32(truncatingIfNeeded: crc32_combine(UInt(total), UInt(checks[index]), length))
      case .adler32: total = UInt32(truncatingIfNeeded: adler32_combine(UInt(total), UInt(checks[index]), length))
      }
    }
    return Result(pieces: complete, check: total)
  }

  /// One piece; nil when memory runs out.
  private static func deflate(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, level: Int, isLast: Bool
  ) -> [UInt8]? {
    var stream = z_stream()
    guard
      deflateInit2_(
        &stream, Int32(min(max(level, 1), 9)), Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { deflateEnd(&stream) }
    let base = UnsafeMutablePointer(mutating: baseAddress(of: bytes).assumingMemoryBound(to: UInt8.self))
    let window = min(range.lowerBound, windowSize)
    if window > 0 {
      guard deflateSetDictionary(&stream, base + (range.lowerBound - window), UInt32(window)) == Z_OK else {
        return nil
      }
    }
    // The flush marker may come on top of zlib's bound.
    let bound = Int(deflateBound(&stream, UInt(range.count))) + 16
    stream.next_in = base + range.lowerBound
    stream.avail_in = UInt32(range.count)
    let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: bound)
    defer { scratch.deallocate() }
    stream.next_out = scratch
    stream.avail_out = UInt32(bound)
    let status = CZlib.deflate(&stream, isLast ? Z_FINISH : Z_SYNC_FLUSH)
    guard status == (isLast ? Z_STREAM_END : Z_OK), stream.avail_in == 0 else { return nil }
    return Array(UnsafeBufferPointer(start: scratch, count: bound - Int(stream.avail_out)))
  }
}
