import Basics
import TestSupport
import Testing

@Suite struct GzipTests {
  /// Bytes with the structure of a label map: long runs, few values.
  static func runs(count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    while bytes.count < count {
      let value = UInt8.random(in: 0..<8, using: &generator)
      let length = min(Int.random(in: 1...200, using: &generator), count - bytes.count)
      bytes += repeatElement(value, count: length)
    }
    return bytes
  }

  static func noise(count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  @Test(arguments: [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_003], [1, 6, 9])
  func roundTrip(_ count: Int, _ level: Int) throws {
    for content in [Self.runs(count: count, seed: 1), Self.noise(count: count, seed: 2)] {
      let packed = try Gzip.compress(content, level: level)
      #expect(try packed.withUnsafeBytes { try Gzip.decompress($0) } == content)
      #expect(try packed.withUnsafeBytes { try Gzip.decompress($0, sizeHint: 3) } == content)
      let deflated = try content.withUnsafeBytes { try Deflate.compress($0, level: level) }
      #expect(try deflated.withUnsafeBytes { try Deflate.inflate($0, count: count) } == content)
      let zlib = try content.withUnsafeBytes { try Zlib.compress($0, level: level) }
      var unpacked = [UInt8](repeating: 0, count: count)
      try zlib.withUnsafeBytes { zlib in try unpacked.withUnsafeMutableBytes { try Zlib.inflate(zlib, into: $0) } }
      #expect(unpacked == content)
    }
  }

  @Test func severalMembersAndPaddingAreOneContent() throws {
    let parts = [Self.runs(count: 70_000, seed: 3), [], Self.noise(count: 5, seed: 4)]
    let packed = try parts.map { try Gzip.compress($0) }.reduce([], +) + [0, 0, 0]
    #expect(try packed.withUnsafeBytes { try Gzip.decompress($0) } == parts.reduce([], +))
    #expect(try packed.withUnsafeBytes { try Gzip.prefix($0, count: 70_003) } == Array(parts.reduce([], +)[..<70_003]))
  }

  @Test func theBeginningAloneCanBeRead() throws {
    let content = Self.noise(count: 300_000, seed: 5)
    let packed = try Gzip.compress(content)
    // A cut file still gives its header, as far as it goes.
    let cut = Array(packed[..<100_000])
    #expect(try cut.withUnsafeBytes { try Gzip.prefix($0, count: 352) } == Array(content[..<352]))
    var buffer = [UInt8](repeating: 0, count: 1000)
    let count = try packed.withUnsafeBytes { packed in
      try buffer.withUnsafeMutableBytes { try Gzip.decompress(packed, into: $0) }
    }
    #expect(count == 1000)
    #expect(buffer == Array(content[..<1000]))
  }

  @Test func damageIsNamed() throws {
    let packed = try Gzip.compress(Self.noise(count: 100_000, seed: 6))
    func message(_ bytes: [UInt8]) -> String {
      do {
        _ = try bytes.withUnsafeBytes { try Gzip.decompress($0) }
        return "accepted"
      } catch let failure as Failure {
        return failure.kind == .badInput ? failure.message : "wrong kind"
      } catch {
        return "wrong type"
      }
    }
    #expect(message(Array(packed.dropLast(9))).contains("end early"))
    #expect(message(Array(packed[..<5])).contains("end early"))
    var flipped = packed
    flipped[50_000] ^= 0x10
    #expect(message(flipped).contains("damaged"))
    var checksum = packed
    checksum[packed.count - 6] ^= 1
    #expect(message(checksum).contains("incorrect data check"))
    #expect(message([]).contains("is empty"))
    #expect(message([1, 2, 3]).contains("not gzip"))
  }

  @Test func damageBehindTheExpectedSizeIsFound() throws {
    var packed = try Gzip.compress(Self.noise(count: 100_000, seed: 7))
    packed[packed.count - 100] ^= 0x10
    var buffer = [UInt8](repeating: 0, count: 1000)
    #expect(throws: Failure.self) {
      try packed.withUnsafeBytes { packed in
        try buffer.withUnsafeMutableBytes { try Gzip.decompress(packed, into: $0) }
      }
    }
  }

  @Test func aBombIsRefused() throws {
    let packed = try Gzip.compress([UInt8](repeating: 0, count: 40 << 20))
    #expect(packed.count < 100_000)
    #expect(throws: Failure.self) { try packed.withUnsafeBytes { try Gzip.decompress($0, maximum: 1 << 20) } }
    // The size noted at the end lies; the memory asked for follows the file, not the lie.
    var lying = try Gzip.compress([1, 2, 3])
    for index in lying.count - 4..<lying.count { lying[index] = 0xFF }
    #expect(throws: Failure.self) { try lying.withUnsafeBytes { try Gzip.decompress($0) } }
  }

  @Test func checksumIsTheStandardOne() {
    // The check value of CRC-32/ISO-HDLC.
    #expect(Array("123456789".utf8).withUnsafeBytes { Deflate.crc32($0) } == 0xCBF4_3926)
    #expect([UInt8]().withUnsafeBytes { Deflate.crc32($0) } == 0)
  }
}
