/// The secure hash SHA-256 (FIPS 180-4), for checking what was downloaded.
public struct SHA256: Sendable {
  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// Bytes of an unfinished block.
  private var rest: [UInt8] = []
  private var length: UInt64 = 0

  public init() {}

  /// The digest of `bytes` as 64 lower-case hexadecimal digits.
  public static func hexadecimal(_ bytes: UnsafeRawBufferPointer) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  /// Appends `bytes` to the message.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var position = 0
    if !rest.isEmpty {
      position = min(64 - rest.count, bytes.count)
      rest.append(contentsOf: bytes[..<position])
      guard rest.count == 64 else { return }
      rest.withUnsafeBytes { Self.compress($0, blocks: 1, into: &state) }
      rest.removeAll(keepingCapacity: true)
    }
    let blocks = (bytes.count - position) / 64
    Self.compress(UnsafeRawBufferPointer(rebasing: bytes[position...]), blocks: blocks, into: &state)
    rest.append(contentsOf: bytes[(position + blocks * 64)...])
  }

  /// The digest as 64 lower-case hexadecimal digits.
  public consuming func finish() -> String {
    let bits = length &* 8
    // A one, zeros up to the last eight bytes of a block, and the length of the message in bits (5.1.1).
    rest.append(0x80)
    while rest.count % 64 != 56 { rest.append(0) }
    rest.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) })
    rest.withUnsafeBytes { Self.compress($0, blocks: $0.count / 64, into: &state) }
    return state.map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
  }

  private static func compress(_ bytes: UnsafeRawBufferPointer, blocks: Int, into state: inout [UInt32]) {
    func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }
    state.withUnsafeMutableBufferPointer { state in
      Self.roundConstants.withUnsafeBufferPointer { constants in
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
          for block in 0..<blocks {
            for index in 0..<16 {
              schedule[index] = UInt32(
                bigEndian: bytes.loadUnaligned(fromByteOffset: block * 64 + index * 4, as: UInt32.self))
            }
            for index in 16..<64 {
              let early = schedule[index - 15]
              let late = schedule[index - 2]
              schedule[index] =
                schedule[index - 16] &+ (rotate(early, 7) ^ rotate(early, 18) ^ early >> 3)
                &+ schedule[index - 7] &+ (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10)
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            var (e, f, g, h) = (state[4], state[5], state[6], state[7])
            for index in 0..<64 {
              let choice = (e & f) ^ (~e & g)
              let first =
                h &+ (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) &+ choice &+ constants[index] &+ schedule[index]
              let majority = (a & b) ^ (a & c) ^ (b & c)
              let second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) &+ majority
              (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
            }
            for (index, word) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= word }
          }
        }
      }
    }
  }

  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2).
  private static let roundConstants: [UInt32] = {
    var primes: [UInt64] = []
    var candidate: UInt64 = 2
    while primes.count < 64 {
      if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
      candidate += 1
    }
    return primes.map { prime in
      // The largest r with r^3 <= prime * 2^96 is the cube root times 2^32; found bit by bit in 128-bit arithmetic.
      let target = UInt128(prime) << 96
      var root: UInt128 = 0
      for bit in stride(from: 35, through: 0, by: -1) {
        let next = root | 1 << UInt128(bit)
        if next * next * next <= target { root = next }
      }
      return UInt32(truncatingIfNeeded: root)
    }
  }()
}
