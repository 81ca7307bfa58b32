import CLibDeflate
import CZlib

/// One DEFLATE stream made on all cores.
///
/// The input is cut into pieces, each deflated on its own by libdeflate. Each piece but the last then loses its closing
/// mark and ends in an empty stored block, which leaves it on a byte boundary; so the pieces can simply be put in a
/// row. Every inflater reads the result as one ordinary stream.
enum ParallelDeflate {
  /// Inputs smaller than this are not worth cutting.
  static let threshold = 1 << 20
  static let pieceSize = 1 << 20

  /// Which checksum of the uncompressed bytes the container wants.
  enum Check {
    case none, crc32, adler32
  }

  struct Result {
    var pieces: [[UInt8]]
    var check: UInt32
    /// The number of uncompressed bytes.
    var count: Int

    /// Puts bytes before the others; `check` must be a CRC-32.
    mutating func prepend(_ bytes: [UInt8]) throws {
      guard !bytes.isEmpty else { return }
      if bytes.count <= 1024 {
        // A stored block (RFC 1951, 3.2.4) costs nothing to make.
        let (low, high) = (UInt8(bytes.count & 0xFF), UInt8(bytes.count >> 8))
        pieces.insert([0, low, high, ~low, ~high] + bytes, at: 0)
      } else {
        let front = try bytes.withUnsafeBytes {
          try ParallelDeflate.compress($0, isLast: false, level: 6, check: .none)
        }
        pieces = front.pieces + pieces
      }
      let sum = bytes.withUnsafeBytes { Deflate.crc32($0) }
      check = ParallelDeflate.Check.crc32.combine(sum, check, count: count)
      count += bytes.count
    }

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

  /// Deflates `bytes`. The stream stays open for more unless `isLast`.
  static func compress(
    _ bytes: UnsafeRawBufferPointer, isLast: Bool = true, level: Int, check: Check
  ) throws -> Result {
    let count = max(1, (bytes.count + pieceSize - 1) / pieceSize)
    var pieces = [[UInt8]?](repeating: nil, count: count)
    var checks = [UInt32](repeating: 0, count: count)
    pieces.withUnsafeMutableBufferPointer { pieces in
      checks.withUnsafeMutableBufferPointer { checks in
        let shared = Shared((bytes: bytes, pieces: pieces, checks: checks))
        Parallel.forEach(count) { index in
          let (bytes, pieces, checks) = shared.value
          let range = index * pieceSize..<min(bytes.count, (index + 1) * pieceSize)
          pieces[index] = deflate(bytes, range, level: level, isLast: isLast && index == count - 1)
          let piece = UnsafeRawBufferPointer(rebasing: bytes[range])
          checks[index] = check.value(of: piece)
        }
      }
    }
    let complete = pieces.compactMap { $0 }
    guard complete.count == count else { throw outOfMemory() }
    var total = checks[0]
    for index in 1..<max(1, count) {
      let length = min(bytes.count, (index + 1) * pieceSize) - index * pieceSize
      total = check.combine(total, checks[index], count: length)
    }
    return Result(pieces: complete, check: total, count: bytes.count)
  }

  /// One piece; nil when memory runs out.
  private static func deflate(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, level: Int, isLast: Bool
  ) -> [UInt8]? {
    guard let compressor = try? Compressor(level: level) else { return nil }
    let bound = libdeflate_deflate_compress_bound(compressor.handle, range.count) + 8
    let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bound)
    defer { scratch.deallocate() }
    let source = baseAddress(of: bytes) + range.lowerBound
    let count = libdeflate_deflate_compress(compressor.handle, source, range.count, scratch.baseAddress, bound)
    guard count > 0 else { return nil }
    if isLast { return Array(scratch[..<count]) }
    guard let last = DeflateBlocks.lastBlock(of: UnsafeBufferPointer(rebasing: scratch[..<count])) else {
      return nil
    }
    // The last block is no longer the last; an empty stored block brings the stream to a byte boundary.
    scratch[last.start >> 3] &= ~(1 << UInt8(last.start & 7))
    let end = (last.end + 3 + 7) >> 3
    for index in count..<max(count, end) { scratch[index] = 0 }
    return Array(scratch[..<end]) + [0, 0, 0xFF, 0xFF]
  }
}
