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
  /// What waits to be deflated.
  private var buffer: [UInt8] = []
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
      let part = rest.prefix(batchSize - buffer.count)
      buffer.append(contentsOf: part)
      rest = rest.dropFirst(part.count)
      if buffer.count == batchSize { try flush(isLast: false, sink) }
    }
  }

  /// Ends the stream. Throws what `sink` throws.
  public mutating func finish(sink: (UnsafeRawBufferPointer) throws -> Void) throws { try flush(isLast: true, sink) }

  private mutating func flush(isLast: Bool, _ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
    let result = try buffer.withUnsafeBytes {
      try ParallelDeflate.compress($0, isLast: isLast, level: level, check: .crc32)
    }
    checksum = UInt32(truncatingIfNeeded: crc32_combine(UInt(checksum), UInt(result.check), buffer.count))
    count += buffer.count
    for piece in result.pieces { try piece.withUnsafeBytes(sink) }
    buffer.removeAll(keepingCapacity: true)
  }
}
