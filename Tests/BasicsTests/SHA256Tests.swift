import Basics
import TestSupport
import Testing

@Suite struct SHA256Tests {
  /// The examples of FIPS 180-4's companion document and of RFC 6234.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
  ])
  func standardVectors(text: String, digest: String) {
    #expect(Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal($0) } == digest)
  }

  /// Blocks have 64 bytes and the length takes 8: the sizes around both are where mistakes would be.
  @Test(arguments: [1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000])
  func piecesDoNotMatter(count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let whole = bytes.withUnsafeBytes { SHA256.hexadecimal($0) }
    for step in [1, 3, 64, 100] {
      var hash = SHA256()
      for start in stride(from: 0, to: count, by: step) {
        bytes[start..<min(start + step, count)].withUnsafeBytes { hash.update($0) }
      }
      #expect(hash.finish() == whole)
    }
  }
}

@Suite struct FingerprintTests {
  @Test func everyBitCounts() {
    var generator = SeededGenerator(seed: 4)
    var bytes = (0..<203).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    let original = fingerprint(bytes)
    var seen: Set<String> = [original]
    for index in bytes.indices {
      for bit in 0..<8 {
        bytes[index] ^= 1 << bit
        #expect(seen.insert(fingerprint(bytes)).inserted)
        bytes[index] ^= 1 << bit
      }
    }
    #expect(fingerprint(bytes) == original)
    #expect(original.count == 32)
  }

  @Test func lengthsAndBordersCount() {
    var seen: Set<String> = []
    for count in 0..<100 { #expect(seen.insert(fingerprint([UInt8](repeating: 0, count: count))).inserted) }
    var together = Fingerprint()
    together.add("ab")
    together.add("c")
    var apart = Fingerprint()
    apart.add("a")
    apart.add("bc")
    #expect(together != apart)
  }

  private func fingerprint(_ bytes: [UInt8]) -> String {
    var fingerprint = Fingerprint()
    bytes.withUnsafeBytes { fingerprint.add($0) }
    return fingerprint.hexadecimal
  }
}
