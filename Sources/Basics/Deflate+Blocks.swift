/// Walks over the blocks of DEFLATE data (RFC 1951) without inflating them.
///
/// libdeflate is the fastest compressor there is, but always closes the stream. To put several of its results in a row
/// the closing mark of each must be taken back, which sits at the start of its last block; and blocks have no length
/// field, so the symbols before have to be stepped over. The cost follows the compressed size, not the original one.
struct DeflateBlocks {
  /// The bit position of the header of the last block, and the position behind the last bit of the stream.
  struct LastBlock {
    var start: Int
    var end: Int
  }

  /// Steps over a stream that a compressor has just made; nil when it is not well formed.
  static func lastBlock(of bytes: UnsafeBufferPointer<UInt8>) -> LastBlock? {
    var walker = DeflateBlocks(bytes: bytes)
    return walker.walk()
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private let bitCount: Int
  /// In bits.
  private var position = 0
  private var literals = HuffmanTable()
  private var distances = HuffmanTable()

  private init(bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    bitCount = bytes.count * 8
  }

  private mutating func walk() -> LastBlock? {
    while position < bitCount {
      let start = position
      let isLast = take(1) == 1
      switch take(2) {
      case 0:
        position = (position + 7) & ~7
        let length = take(16)
        position += 16 + length * 8
      case 1:
        literals.build((0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
        distances.build(Array(repeating: 5, count: 30))
        guard skipSymbols() else { return nil }
      case 2: guard readCodes(), skipSymbols() else { return nil }
      default: return nil
      }
      if isLast { return position <= bitCount ? LastBlock(start: start, end: position) : nil }
    }
    return nil
  }

  /// The next 57 bits or more; zeros behind the end.
  @inline(__always)
  private func peek(_ position: Int) -> UInt64 {
    let byte = position >> 3
    var word: UInt64 = 0
    if byte &+ 8 <= bytes.count, let base = bytes.baseAddress {
      word = UInt64(littleEndian: UnsafeRawPointer(base + byte).loadUnaligned(as: UInt64.self))
    } else {
      for index in 0..<8 where byte + index < bytes.count { word |= UInt64(bytes[byte + index]) << UInt64(8 * index) }
    }
    return word >> UInt64(position & 7)
  }

  private mutating func take(_ count: Int) -> Int {
    let value = Int(peek(position) & ((1 << UInt64(count)) - 1))
    position += count
    return value
  }

  /// The code lengths at the start of a dynamic block (3.2.7).
  private mutating func readCodes() -> Bool {
    let (literalCount, distanceCount, lengthCount) = (take(5) + 257, take(5) + 1, take(4) + 4)
    let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    var lengths = [Int](repeating: 0, count: 19)
    for index in 0..<lengthCount { lengths[order[index]] = take(3) }
    literals.build(lengths)
    var codes: [Int] = []
    while codes.count < literalCount + distanceCount {
      guard position < bitCount, let (symbol, width) = literals.symbol(peek(position)) else { return false }
      position += width
      switch symbol {
      case 16:
        guard let last = codes.last else { return false }
        codes += Array(repeating: last, count: 3 + take(2))
      case 17: codes += Array(repeating: 0, count: 3 + take(3))
      case 18: codes += Array(repeating: 0, count: 11 + take(7))
      default: codes.append(symbol)
      }
    }
    guard codes.count == literalCount + distanceCount else { return false }
    literals.build(Array(codes[..<literalCount]))
    distances.build(Array(codes[literalCount...]))
    return true
  }

  /// Steps over literals and matches up to and with the end of the block.
  private mutating func skipSymbols() -> Bool {
    var position = position
    defer { self.position = position }
    while position < bitCount {
      // A literal or length with its extra bits, and a distance with its own, take at most 48 bits.
      var bits = peek(position)
      guard let (symbol, width) = literals.symbol(bits) else { return false }
      position += width
      if symbol < 256 { continue }
      if symbol == 256 { return true }
      let lengthExtra = symbol < 265 || symbol == 285 ? 0 : (symbol - 261) >> 2
      bits >>= UInt64(width + lengthExtra)
      guard symbol < 286, let (distance, distanceWidth) = distances.symbol(bits), distance < 30 else { return false }
      position += lengthExtra + distanceWidth + (distance < 4 ? 0 : (distance >> 1) - 1)
    }
    return false
  }
}

/// Canonical Huffman codes (RFC 1951, 3.2.2), looked up by the next 15 bits of a stream.
private struct HuffmanTable {
  /// Symbol * 16 + code length, for each possible 15 bits; 0 where no code begins so.
  private var entries = [UInt16](repeating: 0, count: 1 << 15)

  /// `lengths[symbol]` is the length of its code, 0 for none.
  mutating func build(_ lengths: [Int]) {
    var counts = [Int](repeating: 0, count: 16)
    for length in lengths where length > 0 { counts[length] += 1 }
    var next = [Int](repeating: 0, count: 17)
    for length in 1...15 { next[length + 1] = (next[length] + counts[length]) << 1 }
    entries.withUnsafeMutableBufferPointer { entries in
      entries.update(repeating: 0)
      for (symbol, length) in lengths.enumerated() where length > 0 {
        let code = next[length]
        next[length] += 1
        // Codes arrive with their first bit lowest, so the table is indexed by reversed codes.
        var reversed = 0
        for bit in 0..<length where code >> bit & 1 == 1 { reversed |= 1 << (length - 1 - bit) }
        var index = reversed
        while index < entries.count {
          entries[index] = UInt16(symbol << 4 | length)
          index += 1 << length
        }
      }
    }
  }

  @inline(__always)
  func symbol(_ bits: UInt64) -> (symbol: Int, width: Int)? {
    let entry = entries.withUnsafeBufferPointer { $0[Int(bits & 0x7FFF)] }
    return entry == 0 ? nil : (Int(entry >> 4), Int(entry & 15))
  }
}
