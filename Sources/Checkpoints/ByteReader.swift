import Basics

/// Reads little-endian numbers one after the other from bytes that came from a file; never beyond their end.
struct ByteReader {
  let bytes: UnsafeRawBufferPointer
  private(set) var position: Int

  init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
    self.bytes = bytes
    self.position = min(max(position, 0), bytes.count)
  }

  var remaining: Int { bytes.count - position }

  /// The next number. Throws `badInput` at the end of the bytes.
  mutating func read<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws -> Number {
    let size = MemoryLayout<Number>.size
    guard remaining >= size else { throw Self.endsEarly }
    defer { position += size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
  }

  /// The next `count` bytes. Throws `badInput` when there are fewer, or when `count` is negative.
  mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
    guard count >= 0, count <= remaining else { throw Self.endsEarly }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// The bytes up to the next line feed, which is passed over. Throws `badInput` when there is none.
  mutating func line() throws -> UnsafeRawBufferPointer {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw Self.endsEarly }
    let line = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
    position = end + 1
    return line
  }

  static let endsEarly = Failure(
    .badInput, "ends too early", hint: "the file is damaged or incomplete; download or copy it again")
}

extension [UInt8] {
  /// Appends a number in little-endian order.
  mutating func append(littleEndian number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}
