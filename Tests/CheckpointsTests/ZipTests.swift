import Basics
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct ZipTests {
  private func archive(_ bytes: [UInt8]) throws -> ZipArchive {
    let folder = try TemporaryFolder()
    try AtomicFile.write(bytes, to: folder("x.zip"))
    return try ZipArchive(path: folder("x.zip"))
  }

  /// A small archive with a stored and a deflated member.
  private func sample(_ names: [String] = ["a/one", "two"]) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let writer = try ZipWriter(path: folder("x.zip"))
    try writer.add(names[0], Array("first content".utf8))
    try writer.add(names[1], [UInt8](repeating: 7, count: 5000), method: .deflated)
    try writer.commit()
    return try Path.read(folder("x.zip"))
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let archive = try archive(sample())
    #expect(archive.members.map(\.name) == ["a/one", "two"])
    let one = try #require(archive.member(named: "a/one"))
    #expect(try archive.contents(of: one) == Array("first content".utf8))
    let two = try #require(archive.member(named: "two"))
    #expect(two.method == .deflated && two.range.count < 100)
    #expect(try archive.contents(of: two) == [UInt8](repeating: 7, count: 5000))
    #expect(throws: Failure.self) { try archive.contents(of: two, maximum: 4999) }
    #expect(archive.member(named: "three") == nil)
    let folder = try TemporaryFolder()
    try archive.extract(two, to: folder("two"))
    #expect(try Path.read(folder("two")).count == 5000)
    #expect(try sample() == sample())
  }

  @Test func chunksOfAnySizeGiveOneMember() throws {
    let folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 3)
    // More than one batch of pieces, with repetitions that reach across their borders.
    let content = (0..<9_000_000).map { UInt8(truncatingIfNeeded: ($0 % 70_001) &* 31 >> 7) ^ UInt8(random.next() & 1) }
    for method in [ZipArchive.Member.Method.stored, .deflated] {
      let writer = try ZipWriter(path: folder("x.zip"))
      try writer.begin("m", method: method, alignment: 64)
      try content.withUnsafeBytes { bytes in
        var start = 0
        while start < bytes.count {
          let end = min(bytes.count, start + Int(random.next() % 3_000_000))
          try writer.write(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
          start = end
        }
      }
      try writer.end()
      try writer.add("empty", [], method: method)
      try writer.commit()
      let archive = try ZipArchive(path: folder("x.zip"))
      #expect(archive.members[0].range.lowerBound % 64 == 0)
      #expect(try archive.contents(of: archive.members[0]) == content)
      #expect(try archive.contents(of: archive.members[1]).isEmpty)
    }
  }

  @Test(arguments: [
    "../x1", "/abs1", "a/../b", "a\\b12", "C:\\a1", "..", "./a12", "a\0b12", "c:/a1",
  ])
  func unsafeNamesAreRefused(name: String) throws {
    let bytes = try sample([name, "two"])
    #expect { try archive(bytes) } throws: { ($0 as? Failure)?.message.contains("not allowed") == true }
  }

  @Test func everyTruncationFails() throws {
    let bytes = try sample()
    for part in 0..<16 {
      #expect(throws: Failure.self) { try archive(Array(bytes.prefix(bytes.count * part / 16))) }
    }
    #expect(throws: Failure.self) { try archive(Array(bytes.dropLast())) }
    #expect(throws: Failure.self) { try archive(Array(bytes.dropFirst())) }
  }

  /// Changes a field of the first directory entry, `offset` bytes after its signature.
  private func patched(_ offset: Int, _ value: [UInt8], entry: Int = 0) throws -> [UInt8] {
    var bytes = try sample()
    let starts = bytes.indices.dropLast(3).filter { bytes[$0..<$0 + 4].elementsEqual([0x50, 0x4B, 0x01, 0x02]) }
    bytes.replaceSubrange(starts[entry] + offset..<starts[entry] + offset + value.count, with: value)
    return bytes
  }

  @Test func directoriesThatLieAreRefused() throws {
    func message(_ bytes: [UInt8]) -> String {
      do {
        _ = try archive(bytes)
        return ""
      } catch { return (error as? Failure)?.message ?? "" }
    }
    #expect(message(try patched(8, [1, 0])).contains("encrypted"))
    #expect(message(try patched(10, [14, 0])).contains("method 14"))
    #expect(message(try patched(20, [0xFF, 0xFF, 0xFF, 0x7F])).contains("outside the file"))
    #expect(message(try patched(24, [200, 0, 0, 0])).contains("disagree"))
    #expect(message(try patched(24, [0xFF, 0xFF, 0xFF, 0x7F], entry: 1)).contains("more bytes"))
    #expect(message(try patched(42, [5, 0, 0, 0])).contains("not where"))
    #expect(message(try patched(38, [0, 0, 0xFF, 0xA1])).contains("symbolic link"))
    // Both entries at the first member's place, under their own names and under the same name.
    #expect(message(try patched(42, [0, 0, 0, 0], entry: 1)).contains("another name"))
    #expect(
      message(try sample(["same", "sbme"]).map { $0 == UInt8(ascii: "b") ? UInt8(ascii: "a") : $0 }).contains("twice"))
    // ZIP64 without the field that would hold the sizes.
    #expect(!message(try patched(20, [0xFF, 0xFF, 0xFF, 0xFF])).isEmpty)
    #expect(message(try patched(42, [0xFF, 0xFF, 0xFF, 0xFF])).contains("not where"))
  }

  @Test func overlapsAreRefused() throws {
    // A stored member whose content is a complete local header and content of the second member.
    let folder = try TemporaryFolder()
    let inner = try ZipWriter(path: folder("inner.zip"))
    try inner.add("two", Array("second".utf8))
    try inner.commit()
    let local = Array(try Path.read(folder("inner.zip")).prefix(30 + 3 + 6))
    let outer = try ZipWriter(path: folder("outer.zip"))
    try outer.add("one", local)
    try outer.add("two", Array("second".utf8))
    try outer.commit()
    var bytes = try Path.read(folder("outer.zip"))
    let starts = bytes.indices.dropLast(3).filter { bytes[$0..<$0 + 4].elementsEqual([0x50, 0x4B, 0x01, 0x02]) }
    bytes.replaceSubrange(starts[1] + 42..<starts[1] + 46, with: [33, 0, 0, 0])
    #expect { try archive(bytes) } throws: { ($0 as? Failure)?.message.contains("overlap") == true }
  }

  @Test func damagedContentIsNoticed() throws {
    var bytes = try sample()
    bytes[30 + 5 + 2] ^= 1
    let archive = try archive(bytes)
    #expect { try archive.contents(of: archive.members[0]) } throws: {
      ($0 as? Failure)?.message.contains("checksum") == true
    }
    #expect(throws: Failure.self) { try archive.verify(archive.members[0]) }
    try archive.verify(archive.members[1])
  }

  @Test func largeFieldsAreUsedWhereTheSizeIsUnknown() throws {
    let folder = try TemporaryFolder()
    let writer = try ZipWriter(path: folder("x.zip"))
    try writer.begin("m")
    try [UInt8](repeating: 1, count: 10).withUnsafeBytes { try writer.write($0) }
    try writer.end()
    try writer.commit()
    let archive = try ZipArchive(path: folder("x.zip"))
    #expect(archive.members[0].size == 10)
    #expect(archive.members[0].range.lowerBound == 30 + 1 + 20)
  }

  @Test func moreMembersThanPlainZipCanCount() throws {
    let folder = try TemporaryFolder()
    let writer = try ZipWriter(path: folder("x.zip"))
    for number in 0..<66_000 { try writer.add("\(number)", [UInt8(truncatingIfNeeded: number)]) }
    try writer.commit()
    let archive = try ZipArchive(path: folder("x.zip"))
    #expect(archive.members.count == 66_000)
    #expect(try archive.contents(of: #require(archive.member(named: "65999"))) == [UInt8(truncatingIfNeeded: 65_999)])
  }

  @Test func nothingAppearsWithoutACommit() throws {
    let folder = try TemporaryFolder()
    do {
      let writer = try ZipWriter(path: folder("x.zip"))
      try writer.add("a", [1])
    }
    #expect(try Path.list(folder.path).isEmpty)
  }
}
