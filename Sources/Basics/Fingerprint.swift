/// A 128-bit fingerprint of bytes, as fast as memory can be read: for telling whether something is still the same.
///
/// It recognises damage and change, not malice; `SHA256` is for that. Its value may change between releases.
public struct Fingerprint: Sendable, Hashable {
  // Four independent lanes keep the multiplier busy. Every step is a bijection of its lane, so a single changed word
  // always changes the result.
  private var lanes: (UInt64, UInt64, UInt64, UInt64) = (
    0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0, 0x082E_FA98_EC4E_6C89
  )
  private var length: UInt64 = 0

  public init() {}

  /// Adds bytes and their number.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let whole = bytes.count / 32 * 32
    var (a, b, c, d) = lanes
    if let base = bytes.baseAddress {
      for position in stride(from: 0, to: whole, by: 32) {
        a = Self.step(a, base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        b = Self.step(b, base.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self))
        c = Self.step(c, base.loadUnaligned(fromByteOffset: position + 16, as: UInt64.self))
        d = Self.step(d, base.loadUnaligned(fromByteOffset: position + 24, as: UInt64.self))
      }
    }
    for byte in bytes[whole...] { a = Self.step(a, UInt64(byte) + 1) }
    b = Self.step(b, UInt64(bytes.count))
    lanes = (a, b, c, d)
    length &+= UInt64(bytes.count)
  }

  /// Adds text.
  public mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// 32 hexadecimal digits.
  public var hexadecimal: String {
    let (high, low) = value
    return [high, low].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  /// The fingerprint as two words.
  public var value: (high: UInt64, low: UInt64) {
    var high = Self.mix(lanes.0 ^ Self.mix(lanes.1 &+ length))
    var low = Self.mix(lanes.2 ^ Self.mix(lanes.3 &+ length))
    high = Self.mix(high &+ low)
    low = Self.mix(low &+ high)
    return (high, low)
  }

  public static func == (left: Fingerprint, right: Fingerprint) -> Bool { left.value == right.value }

  public func hash(into hasher: inout Hasher) { hasher.combine(value.high) }

  private static func step(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let product = (lane ^ word) &* 0x9E37_79B9_7F4A_7C15
    return product ^ product >> 32
  }

  /// The finisher of SplitMix64: every bit of the input reaches every bit of the result.
  private static func mix(_ word: UInt64) -> UInt64 {
    var z = word
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
