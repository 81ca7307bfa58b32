/// Fixed-position numbers of either byte order in a header; every read is bounds-checked.
struct ByteReader {
  let bytes: [UInt8]
  var isBigEndian = false

  /// The number at `offset`, or zero behind the end.
  func integer<Number: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as: Number.Type = Number.self) -> Number {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<Number>.size else { return 0 }
    let raw = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Number.self) }
    return isBigEndian ? Number(bigEndian: raw) : Number(littleEndian: raw)
  }

  func float(_ offset: Int) -> Float { Float(bitPattern: integer(offset)) }
  func double(_ offset: Int) -> Double { Double(bitPattern: integer(offset)) }

  func matches(_ offset: Int, _ text: [UInt8]) -> Bool {
    offset >= 0 && offset + text.count <= bytes.count && bytes[offset..<offset + text.count].elementsEqual(text)
  }
}

/// A header under construction: numbers in little-endian order at fixed positions.
struct ByteWriter {
  private(set) var bytes: [UInt8]

  init(count: Int) { bytes = Array(repeating: 0, count: count) }
  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func put<Number: FixedWidthInteger>(_ value: Number, at offset: Int) {
    for index in 0..<MemoryLayout<Number>.size {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Number(8 * index))
    }
  }

  mutating func put(_ value: Float, at offset: Int) { put(value.bitPattern, at: offset) }
  mutating func put(_ text: [UInt8], at offset: Int) {
    bytes.replaceSubrange(offset..<offset + text.count, with: text)
  }
}
