import CKernels
import CLibDeflate
import CZlib

/// DEFLATE data of label maps, on all cores; see `RunDeflater` for how.
enum LabelDeflate {
  /// Fewer bytes are not worth the difference, and a general compressor makes them a little smaller.
  static let threshold = 1 << 18
  /// Labels that one core encodes at a time.
  private static let pieceLength = 1 << 19

  /// Deflates labels of `layout`. Throws when memory runs out.
  static func compress(
    _ bytes: UnsafeRawBufferPointer, layout: LabelLayout, check: ParallelDeflate.Check
  ) throws -> ParallelDeflate.Result {
    let size = layout.bytesPerLabel
    guard bytes.count >= threshold, let base = bytes.baseAddress, bytes.count % size == 0,
      Int(bitPattern: base) % size == 0
    else { return try ParallelDeflate.compress(bytes, level: 6, check: check) }
    let length = bytes.count / size
    let count = (length + pieceLength - 1) / pieceLength
    var pieces = [[UInt8]](repeating: [], count: count)
    var checks = [UInt32](repeating: 0, count: count)
    pieces.withUnsafeMutableBufferPointer { pieces in
      checks.withUnsafeMutableBufferPointer { checks in
        let shared = Shared((base: base, pieces: pieces, checks: checks))
        Parallel.forEach(count) { index in
          let (base, pieces, checks) = shared.value
          let positions = index * pieceLength..<min(length, (index + 1) * pieceLength)
          pieces[index] = piece(base, positions, layout)
          let bytes = UnsafeRawBufferPointer(start: base + positions.lowerBound * size, count: positions.count * size)
          checks[index] = check.value(of: bytes)
        }
      }
    }
    var total = checks[0]
    for index in 1..<count {
      let last = min(length, (index + 1) * pieceLength)
      total = check.combine(total, checks[index], count: (last - index * pieceLength) * size)
    }
    return ParallelDeflate.Result(pieces: pieces + [DeflateBlocks.empty], check: total, count: bytes.count)
  }

  private static func piece(_ base: UnsafeRawPointer, _ positions: Range<Int>, _ layout: LabelLayout) -> [UInt8] {
    // The row above belongs to the piece before, where the inflater will have it.
    let start = max(0, positions.lowerBound - layout.row)
    let runs = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: positions.upperBound - start)
    defer { runs.deallocate() }
    let size = layout.bytesPerLabel
    let count = mt_find_runs(
      base + start * size, positions.upperBound - start, size, UInt64(start), runs.baseAddress)
    var deflater = RunDeflater(layout)
    deflater.append(UnsafeBufferPointer(rebasing: runs[..<count]), at: positions)
    return deflater.finish()
  }
}

extension DeflateBlocks {
  /// A last block with nothing in it: fixed codes, end of block.
  static let empty: [UInt8] = [3, 0]
}

extension ParallelDeflate.Check {
  /// The checksum of a piece by itself.
  func value(of bytes: UnsafeRawBufferPointer) -> UInt32 {
    switch self {
    case .none: 0
    case .crc32: Deflate.crc32(bytes)
    case .adler32: bytes.isEmpty ? 1 : libdeflate_adler32(1, bytes.baseAddress, bytes.count)
    }
  }

  /// The checksum of a piece and the `count` bytes of the next one.
  func combine(_ first: UInt32, _ second: UInt32, count: Int) -> UInt32 {
    switch self {
    case .none: 0
    case .crc32: UInt32(truncatingIfNeeded: crc32_combine(UInt(first), UInt(second), count))
    case .adler32: UInt32(truncatingIfNeeded: adler32_combine(UInt(first), UInt(second), count))
    }
  }
}

extension Gzip {
  /// A label map as a gzip file of one member, after `header`.
  ///
  /// Several times faster than compressing bytes of any kind where neighbours mostly carry the same label, and smaller
  /// too; right for all labels. `labels` are little-endian. Throws when memory runs out.
  public static func compress(
    labels: UnsafeRawBufferPointer, layout: LabelLayout, after header: [UInt8] = []
  ) throws -> [UInt8] {
    var result = try LabelDeflate.compress(labels, layout: layout, check: .crc32)
    try result.prepend(header)
    return member(result, size: header.count + labels.count)
  }
}

extension Zlib {
  /// The same between a zlib header and an Adler-32 checksum.
  public static func compress(labels: UnsafeRawBufferPointer, layout: LabelLayout) throws -> [UInt8] {
    member(try LabelDeflate.compress(labels, layout: layout, check: .adler32))
  }
}
