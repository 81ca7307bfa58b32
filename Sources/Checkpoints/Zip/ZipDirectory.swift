import Basics

/// Reads and checks the central directory of a ZIP archive. Section numbers are those of PKWARE's APPNOTE 6.3.
struct ZipDirectory {
  let bytes: UnsafeRawBufferPointer

  /// All members in directory order; throws `badInput` for whatever does not fit together.
  func members() throws -> [ZipArchive.Member] {
    let directory = try locate()
    // The smallest entry has 46 bytes, so that the count cannot make us reserve more than the file can back.
    guard directory.count <= directory.range.count / 46 else {
      throw Self.damaged("its directory is too small for \(directory.count) entries")
    }
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[directory.range]))
    var members: [ZipArchive.Member] = []
    members.reserveCapacity(directory.count)
    var names = Set<String>()
    var extents: [Range<Int>] = []
    for _ in 0..<directory.count {
      let (member, start) = try entry(&reader, directoryStart: directory.range.lowerBound)
      guard names.insert(member.name).inserted else { throw Self.damaged("the name \(member.name) occurs twice") }
      members.append(member)
      extents.append(start..<member.range.upperBound)
    }
    try refuseOverlaps(extents)
    return members
  }

  /// Where the central directory lies and how many entries it has (4.3.14 to 4.3.16).
  private func locate() throws -> (range: Range<Int>, count: Int) {
    let size = 22
    guard bytes.count >= size else { throw Self.damaged("it is too short") }
    // The end record is followed only by a comment of at most 65535 bytes.
    let earliest = max(0, bytes.count - size - 0xFFFF)
    var end = bytes.count - size
    while !isEndRecord(at: end) {
      guard end > earliest else {
        throw Self.damaged("its directory is missing, as when a download was interrupted")
      }
      end -= 1
    }
    var reader = ByteReader(bytes, at: end + 4)
    let disk = try reader.read(UInt16.self)
    let directoryDisk = try reader.read(UInt16.self)
    let countHere = try reader.read(UInt16.self)
    let count = try reader.read(UInt16.self)
    let directorySize = try reader.read(UInt32.self)
    let offset = try reader.read(UInt32.self)
    var place = (start: UInt64(offset), size: UInt64(directorySize), count: UInt64(count), limit: end)
    if count == 0xFFFF || directorySize == 0xFFFF_FFFF || offset == 0xFFFF_FFFF {
      if let large = try locate64(before: end) { place = large }
    } else {
      guard disk == 0, directoryDisk == 0, countHere == count else {
        throw Self.damaged("it is one part of an archive split over several files")
      }
    }
    guard let start = Int(exactly: place.start), let length = Int(exactly: place.size),
      let total = Int(exactly: place.count), start <= place.limit, length <= place.limit - start
    else { throw Self.damaged("its directory lies outside the file") }
    return (start..<start + length, total)
  }

  private func isEndRecord(at position: Int) -> Bool {
    guard bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self).littleEndian == 0x0605_4B50 else {
      return false
    }
    let comment = bytes.loadUnaligned(fromByteOffset: position + 20, as: UInt16.self).littleEndian
    return position + 22 + Int(comment) == bytes.count
  }

  /// The ZIP64 end record, when a locator for it stands before the end record at `end`.
  private func locate64(before end: Int) throws -> (start: UInt64, size: UInt64, count: UInt64, limit: Int)? {
    guard end >= 20 else { return nil }
    var locator = ByteReader(bytes, at: end - 20)
    guard try locator.read(UInt32.self) == 0x0706_4B50 else { return nil }
    _ = try locator.read(UInt32.self)
    guard let position = Int(exactly: try locator.read(UInt64.self)), position <= end - 20 - 56 else {
      throw Self.damaged("its ZIP64 record lies outside the file")
    }
    var record = ByteReader(bytes, at: position)
    guard try record.read(UInt32.self) == 0x0606_4B50 else { throw Self.damaged("its ZIP64 record is missing") }
    // Record size, two versions, two disk numbers.
    _ = try record.take(8 + 2 + 2 + 4 + 4)
    let countHere = try record.read(UInt64.self)
    let count = try record.read(UInt64.self)
    guard countHere == count else {
      throw Self.damaged("it is one part of an archive split over several files")
    }
    let size = try record.read(UInt64.self)
    let start = try record.read(UInt64.self)
    return (start, size, count, position)
  }

  /// One entry of the central directory (4.3.12), and where its local header begins.
  private func entry(
    _ reader: inout ByteReader, directoryStart: Int
  ) throws -> (member: ZipArchive.Member, start: Int) {
    guard try reader.read(UInt32.self) == 0x0201_4B50 else { throw Self.damaged("its directory is malformed") }
    let madeBy = try reader.read(UInt16.self)
    _ = try reader.read(UInt16.self)
    let flags = try reader.read(UInt16.self)
    let method = try reader.read(UInt16.self)
    _ = try reader.read(UInt32.self)
    let checksum = try reader.read(UInt32.self)
    let packed32 = try reader.read(UInt32.self)
    let size32 = try reader.read(UInt32.self)
    let nameLength = Int(try reader.read(UInt16.self))
    let extraLength = Int(try reader.read(UInt16.self))
    let commentLength = Int(try reader.read(UInt16.self))
    let disk = try reader.read(UInt16.self)
    _ = try reader.read(UInt16.self)
    let attributes = try reader.read(UInt32.self)
    let offset32 = try reader.read(UInt32.self)
    let name = String(decoding: try reader.take(nameLength), as: UTF8.self)
    let large = try Self.largeFields(
      of: try reader.take(extraLength), size: size32, packed: packed32, offset: offset32)
    _ = try reader.take(commentLength)

    try Self.refuseUnsafe(name)
    guard disk == 0 || disk == 0xFFFF else {
      throw Self.damaged("it is one part of an archive split over several files")
    }
    guard flags & 0x2041 == 0 else { throw Self.damaged("its member \(name) is encrypted") }
    guard let method = ZipArchive.Member.Method(rawValue: method) else {
      throw Failure(
        .badInput, "its member \(name) uses compression method \(method), which is not supported",
        hint: "pack the files again as an ordinary ZIP archive (stored or deflated)")
    }
    // The upper half holds the Unix file mode when a Unix system made the entry (4.4.2, 4.4.15).
    guard madeBy >> 8 != 3 || (attributes >> 16) & 0xF000 != 0xA000 else {
      throw Failure(.badInput, "its member \(name) is a symbolic link, which is refused")
    }
    let size = try Self.length(large.size, name)
    let packed = try Self.length(large.packed, name)
    let start = try Self.length(large.offset, name)
    let begin = try dataStart(of: name, header: start)
    guard packed <= directoryStart - begin else { throw Self.damaged("its member \(name) ends outside the file") }
    guard method != .stored || size == packed else { throw Self.damaged("the sizes of its member \(name) disagree") }
    let member = ZipArchive.Member(
      name: name, method: method, size: size, checksum: checksum, range: begin..<begin + packed)
    guard method == .stored || size / Deflate.maximumExpansion <= packed else { throw ZipArchive.lyingSize(member) }
    guard begin <= directoryStart else { throw Self.damaged("its member \(name) lies outside the file") }
    return (member, start)
  }

  /// Sizes and offset, taken from the ZIP64 extra field (4.5.3) where the 32-bit fields are all ones.
  private static func largeFields(
    of extra: UnsafeRawBufferPointer, size: UInt32, packed: UInt32, offset: UInt32
  ) throws -> (size: UInt64, packed: UInt64, offset: UInt64) {
    var fields = (size: UInt64(size), packed: UInt64(packed), offset: UInt64(offset))
    guard size == .max || packed == .max || offset == .max else { return fields }
    var reader = ByteReader(extra)
    while reader.remaining >= 4 {
      let tag = try reader.read(UInt16.self)
      let length = Int(try reader.read(UInt16.self))
      var content = ByteReader(try reader.take(length))
      guard tag == 0x0001 else { continue }
      if size == .max { fields.size = try content.read() }
      if packed == .max { fields.packed = try content.read() }
      if offset == .max { fields.offset = try content.read() }
      break
    }
    return fields
  }

  /// Where the bytes of a member begin: after its local header (4.3.7), whose own name and extra field count. Its
  /// sizes may be zero (a data descriptor follows) and are not looked at.
  private func dataStart(of name: String, header: Int) throws -> Int {
    var reader = ByteReader(bytes, at: header)
    guard reader.position == header, reader.remaining >= 30, try reader.read(UInt32.self) == 0x0403_4B50 else {
      throw Self.damaged("its member \(name) is not where the directory says")
    }
    _ = try reader.take(22)
    let nameLength = Int(try reader.read(UInt16.self))
    let extraLength = Int(try reader.read(UInt16.self))
    let localName = try reader.take(nameLength)
    guard localName.elementsEqual(name.utf8) || String(decoding: localName, as: UTF8.self) == name else {
      throw Self.damaged("its member \(name) has another name where it lies")
    }
    _ = try reader.take(extraLength)
    return reader.position
  }

  private func refuseOverlaps(_ extents: [Range<Int>]) throws {
    var end = 0
    for extent in extents.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      guard extent.lowerBound >= end else { throw Self.damaged("some of its members overlap") }
      end = extent.upperBound
    }
  }

  /// A name that could leave the folder the archive is unpacked into is never honoured, on any system.
  private static func refuseUnsafe(_ name: String) throws {
    let isDrive = name.utf8.count >= 2 && name.utf8.dropFirst().first == UInt8(ascii: ":")
    let components = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.isEmpty, !name.hasPrefix("/"), !isDrive, !name.utf8.contains(UInt8(ascii: "\\")),
      !name.utf8.contains(0), !components.contains(".."), !components.contains(".")
    else {
      throw Failure(
        .badInput, "holds a member with the name \(String(reflecting: name)), which is not allowed",
        hint: "names must be relative and stay inside the archive; do not trust this file")
    }
  }

  private static func length(_ value: UInt64, _ name: String) throws -> Int {
    guard let length = Int(exactly: value), length <= Int.max / 4 else {
      throw damaged("its member \(name) has an impossible size")
    }
    return length
  }

  private static func damaged(_ what: String) -> Failure {
    Failure(
      .badInput, "is not a usable ZIP archive: \(what)", hint: "the file may be incomplete; download or copy it again")
  }
}
