import CZlib

/// Raw DEFLATE data made from input that arrives in chunks of any size, on all cores and in bounded memory.
///
/// The pieces that `append` and `finish` hand to their `sink`, put in a row, are one ordinary stream.
public struct DeflateStream {
  /// CRC-32 of the input so far, as ZIP wants it.
  public private(set) var checksum: UInt32 = 0
  /// The number of input bytes so far.
  public private(set) var count = 0
  private let level: Int
  /// Up to 32 KiB that have been deflated already, then what waits.
  private var buffer: [UInt8] = []
  private var windowCount = 0
  /// Enough pieces to keep every core busy.
  private let batchSize = ParallelDeflate.pieceSize * Parallel.coreCount * 2

  /// `level` is zlib's, 1 (fast) to 9 (small).
  public init(level: Int = 6) { self.level = level }

  /// Adds `bytes` to the input. Throws what `sink` throws.
  public mutating func append(
    _ bytes: UnsafeRawBufferPointer, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(batchSize + windowCount - buffer.count)
      buffer.append(contentsOf: part)
      rest = rest.dropFirst(part.count)
      if buffer.count == batchSize + windowCount { try flush(isLast: false, sink) }
    }
  }

  /// Ends the stream. Throws what `sink` throws.
  public mutating func finish(sink: (UnsafeRawBufferPointer) throws -> Void) throws { try flush(isLast: true, sink) }

  private mutating func flush(isLast: Bool, _ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
    let added = buffer.count - windowCount
    let result = try buffer.withUnsafeBytes {
      try ParallelDeflate.compress($0, from: windowCount, isLast: isLast, level: level, check: .crc32)
    }
    checksum = UInt32(truncatingIfNeeded: crc32_combine(UInt(checksum), UInt(result.check), added))
    count += added
    for piece in result.pieces { try piece.withUnsafeBytes(sink) }
    windowCount = min(buffer.count, ParallelDeflate.windowSize)
    buffer.removeFirst(buffer.count - windowCount)
  }
}
