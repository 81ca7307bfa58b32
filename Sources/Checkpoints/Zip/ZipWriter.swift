import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes a ZIP archive that appears under its name when it is complete.
///
/// Members are streamed: their bytes go straight to the file, and the sizes in their headers are filled in afterwards,
/// so that memory does not grow with them. ZIP64 is used where a member or the archive is too large for plain ZIP.
/// Equal input gives equal files: all members carry the date 1980-01-01, as NumPy's do.
public final class ZipWriter {
  private struct Entry {
    var name: [UInt8]
    var method: ZipArchive.Member.Method
    var headerOffset: Int
    var extraLength: Int
    var hasLargeField: Bool
    var size = 0
    var packed = 0
    var checksum: UInt32 = 0
  }

  private let file: AtomicFile
  private var position = 0
  private var finished: [Entry] = []
  private var current: Entry?
  private var deflater: DeflateStream?
  private var names = Set<String>()

  /// Begins the archive at `path`; `flushes` as for `AtomicFile`. Throws `cannotWrite`.
  public init(path: String, flushes: Bool = true) throws { file = try AtomicFile(path: path, flushes: flushes) }

  /// Writes a whole member. Throws `cannotWrite`.
  public func add(
    _ name: String, _ content: UnsafeRawBufferPointer, method: ZipArchive.Member.Method = .stored, level: Int = 6,
    alignment: Int = 1
  ) throws {
    try begin(name, method: method, level: level, alignment: alignment, expectedSize: content.count)
    try write(content)
    try end()
  }

  /// Writes a whole member. Throws `cannotWrite`.
  public func add(_ name: String, _ content: [UInt8], method: ZipArchive.Member.Method = .stored) throws {
    try content.withUnsafeBytes { try add(name, $0, method: method) }
  }

  /// Begins a member whose bytes `write` will give.
  ///
  /// - Parameters:
  ///   - level: zlib's level for deflated members, 1 (fast) to 9 (small).
  ///   - alignment: The data of the member begin at a multiple of this (PyTorch wants 64 for storages).
  ///   - expectedSize: The number of bytes to come, where it is known; a member that may reach 4 GiB gets ZIP64 fields.
  /// - Throws: `cannotWrite`; `internalError` when the name is taken or another member is still open.
  public func begin(
    _ name: String, method: ZipArchive.Member.Method = .stored, level: Int = 6, alignment: Int = 1,
    expectedSize: Int? = nil
  ) throws {
    guard current == nil, names.insert(name).inserted, name.utf8.count < 0xFFFF, !name.isEmpty else {
      throw Failure(.internalError, "the member \(name) cannot be begun", file: file.path)
    }
    // Deflate may enlarge data that do not compress, hence the margin.
    let isLarge = (expectedSize ?? .max) >= 0xF000_0000
    var extra: [UInt8] = isLarge ? [UInt8](repeating: 0, count: 20) : []
    let bare = position + 30 + name.utf8.count + extra.count
    if alignment > 1, bare % alignment != 0 {
      // A field called "FB", which is what PyTorch calls its padding, needs four bytes of its own.
      let padding = (alignment - (bare + 4) % alignment) % alignment
      extra.append(littleEndian: UInt16(0x4246))
      extra.append(littleEndian: UInt16(padding))
      extra += [UInt8](repeating: UInt8(ascii: "Z"), count: padding)
    }
    let entry = Entry(
      name: Array(name.utf8), method: method, headerOffset: position, extraLength: extra.count, hasLargeField: isLarge)
    try append(Self.localHeader(entry) + entry.name + extra)
    current = entry
    deflater = method == .deflated ? DeflateStream(level: level) : nil
  }

  /// Adds bytes to the open member. Throws `cannotWrite`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    guard var entry = current else { throw Failure(.internalError, "no member is open", file: file.path) }
    if deflater != nil {
      try deflater?.append(bytes, sink: append)
    } else {
      entry.checksum = Deflate.crc32(bytes, seed: entry.checksum)
      entry.size += bytes.count
      current = entry
      try append(bytes)
    }
  }

  /// Ends the open member. Throws `cannotWrite`.
  public func end() throws {
    try deflater?.finish(sink: append)
    guard var entry = current else { throw Failure(.internalError, "no member is open", file: file.path) }
    if let deflater {
      entry.checksum = deflater.checksum
      entry.size = deflater.count
    }
    entry.packed = position - entry.headerOffset - 30 - entry.name.count - entry.extraLength
    guard entry.hasLargeField || max(entry.size, entry.packed) < 0xFFFF_FFFF else {
      throw Failure(.internalError, "a member is larger than was expected", file: file.path)
    }
    try overwrite(at: entry.headerOffset, Self.localHeader(entry))
    if entry.hasLargeField {
      try overwrite(at: entry.headerOffset + 30 + entry.name.count, Self.largeField([entry.size, entry.packed]))
    }
    finished.append(entry)
    (current, deflater) = (nil, nil)
  }

  /// Writes the directory and gives the file its name. Throws `cannotWrite`.
  public func commit() throws {
    guard current == nil else { throw Failure(.internalError, "a member is still open", file: file.path) }
    let start = position
    for entry in finished { try append(Self.directoryEntry(entry)) }
    let size = position - start
    if finished.count >= 0xFFFF || start >= 0xFFFF_FFFF || size >= 0xFFFF_FFFF {
      try append(Self.largeEnd(count: finished.count, size: size, start: start, position: position))
    }
    var end: [UInt8] = []
    end.append(littleEndian: UInt32(0x0605_4B50))
    end.append(littleEndian: UInt32(0))
    for _ in 0..<2 { end.append(littleEndian: UInt16(min(finished.count, 0xFFFF))) }
    end.append(littleEndian: UInt32(min(size, 0xFFFF_FFFF)))
    end.append(littleEndian: UInt32(min(start, 0xFFFF_FFFF)))
    end.append(littleEndian: UInt16(0))
    try append(end)
    try file.commit()
  }

  // MARK: Bytes

  private func append(_ bytes: UnsafeRawBufferPointer) throws {
    try file.write(bytes)
    position += bytes.count
  }

  private func append(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try append($0) } }

  private func overwrite(at offset: Int, _ bytes: [UInt8]) throws {
    let written = bytes.withUnsafeBytes { pwrite(file.descriptor, $0.baseAddress, $0.count, off_t(offset)) }
    guard written == bytes.count else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: file.path)
    }
  }

  // MARK: Records (APPNOTE 4.3)

  /// From "version needed" to "uncompressed size", which both headers have in common.
  private static func common(_ entry: Entry, isLarge: Bool) -> [UInt8] {
    var record: [UInt8] = []
    record.append(littleEndian: UInt16(isLarge ? 45 : 20))
    // Bit 11 says that the name is UTF-8.
    record.append(littleEndian: UInt16(entry.name.allSatisfy { $0 < 0x80 } ? 0 : 0x0800))
    record.append(littleEndian: entry.method.rawValue)
    record.append(littleEndian: UInt16(0))
    record.append(littleEndian: UInt16(0x0021))
    record.append(littleEndian: entry.checksum)
    record.append(littleEndian: isLarge ? UInt32.max : UInt32(entry.packed))
    record.append(littleEndian: isLarge ? UInt32.max : UInt32(entry.size))
    record.append(littleEndian: UInt16(entry.name.count))
    return record
  }

  private static func localHeader(_ entry: Entry) -> [UInt8] {
    var record: [UInt8] = []
    record.append(littleEndian: UInt32(0x0403_4B50))
    record += common(entry, isLarge: entry.hasLargeField)
    record.append(littleEndian: UInt16(entry.extraLength))
    return record
  }

  private static func directoryEntry(_ entry: Entry) -> [UInt8] {
    let isLarge = entry.hasLargeField || entry.headerOffset >= 0xFFFF_FFFF
    let extra = isLarge ? largeField([entry.size, entry.packed, entry.headerOffset]) : []
    var record: [UInt8] = []
    record.append(littleEndian: UInt32(0x0201_4B50))
    // Made on Unix, version 4.5; the permissions are those of an ordinary file.
    record.append(littleEndian: UInt16(3 << 8 | 45))
    record += common(entry, isLarge: isLarge)
    record.append(littleEndian: UInt16(extra.count))
    for _ in 0..<3 { record.append(littleEndian: UInt16(0)) }
    record.append(littleEndian: UInt32(0o100644 << 16))
    record.append(littleEndian: isLarge ? UInt32.max : UInt32(entry.headerOffset))
    return record + entry.name + extra
  }

  /// The ZIP64 extra field (4.5.3).
  private static func largeField(_ values: [Int]) -> [UInt8] {
    var field: [UInt8] = []
    field.append(littleEndian: UInt16(0x0001))
    field.append(littleEndian: UInt16(8 * values.count))
    for value in values { field.append(littleEndian: UInt64(value)) }
    return field
  }

  /// The ZIP64 end record and the locator that finds it.
  private static func largeEnd(count: Int, size: Int, start: Int, position: Int) -> [UInt8] {
    var record: [UInt8] = []
    record.append(littleEndian: UInt32(0x0606_4B50))
    record.append(littleEndian: UInt64(44))
    for _ in 0..<2 { record.append(littleEndian: UInt16(45)) }
    record.append(littleEndian: UInt64(0))
    for value in [count, count, size, start] { record.append(littleEndian: UInt64(value)) }
    record.append(littleEndian: UInt32(0x0706_4B50))
    record.append(littleEndian: UInt32(0))
    record.append(littleEndian: UInt64(position))
    record.append(littleEndian: UInt32(1))
    return record
  }
}
