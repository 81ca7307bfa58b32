import Basics

/// A Blosc2 contiguous frame in a mapped file: chunks, where they lie, and named metadata.
struct BloscFrame: Sendable {
  let file: MappedFile
  /// Bytes of an undecoded number, of a whole chunk, and of all chunks together, once decoded.
  let typeSize: Int
  let chunkSize: Int
  let size: Int
  /// Contents by name.
  let metadata: [String: [UInt8]]
  private let headerSize: Int
  /// Relative to the end of the header; negative where a chunk is all zeros or the like.
  private let offsets: [Int64]

  /// Opens the file at `path`. Throws `missingInput`, and `badInput` for anything malformed.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    // The mapping must outlive every look at its bytes, also those before an error.
    defer { withExtendedLifetime(file) {} }
    let header = try locating(path) { try Header(file.bytes) }
    offsets = try locating(path) { try Self.offsets(file.bytes, header) }
    self.file = file
    typeSize = header.typeSize
    chunkSize = header.chunkSize
    size = header.size
    metadata = header.metadata
    headerSize = header.headerSize
  }

  /// The fields at the beginning of a frame.
  private struct Header {
    let headerSize: Int
    let size: Int
    /// Bytes of all chunks as they lie in the file.
    let packed: Int
    let typeSize: Int
    let chunkSize: Int
    let metadata: [String: [UInt8]]

    init(_ bytes: UnsafeRawBufferPointer) throws {
      var reader = MessagePackReader(bytes)
      guard bytes.count > 96, try reader.arrayCount() >= 11, try reader.string() == "b2frame\0" else {
        throw Failure(.badInput, "is not a Blosc2 frame")
      }
      headerSize = try reader.integer()
      let frameSize = try reader.integer()
      // Four bytes of flags: version, contiguous or not, codec.
      let flags = Array(try reader.raw())
      size = try reader.integer()
      packed = try reader.integer()
      typeSize = try reader.integer()
      _ = try reader.integer()
      chunkSize = try reader.integer()
      guard flags.count == 4, flags[1] == 0, headerSize > 0, frameSize <= bytes.count, headerSize <= bytes.count,
        packed <= bytes.count - headerSize, (1...255).contains(typeSize), (1...Int(Int32.max)).contains(chunkSize)
      else {
        throw Failure(.badInput, "is an incomplete or unusual Blosc2 frame", hint: "preprocess the dataset again")
      }
      // Numbers of threads, whether there is metadata at the end, and the filters: chunks repeat what matters.
      _ = try reader.integer()
      _ = try reader.integer()
      _ = try reader.boolean()
      _ = try reader.raw()
      metadata = try BloscFrame.metadata(&reader, bytes: UnsafeRawBufferPointer(rebasing: bytes[..<headerSize]))
    }
  }

  /// The chunk behind the last one holds where the others lie.
  private static func offsets(_ bytes: UnsafeRawBufferPointer, _ header: Header) throws -> [Int64] {
    let count = header.size / header.chunkSize + (header.size % header.chunkSize == 0 ? 0 : 1)
    let start = header.headerSize + header.packed
    let index = try BloscChunk(UnsafeRawBufferPointer(rebasing: bytes[start...]))
    guard count <= 1 << 24, index.size == 8 * count, index.blockSize <= max(index.size, 1) else {
      throw BloscChunk.damaged
    }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: index.size + index.blockSize, alignment: 16)
    defer { memory.deallocate() }
    let table = UnsafeMutableRawBufferPointer(rebasing: memory[..<index.size])
    let scratch = UnsafeMutableRawBufferPointer(rebasing: memory[index.size...])
    for block in 0..<index.blockCount {
      let start = block * index.blockSize
      let end = start + index.byteCount(ofBlock: block)
      try index.decode(block, into: UnsafeMutableRawBufferPointer(rebasing: table[start..<end]), scratch: scratch)
    }
    return (0..<count).map { Int64(littleEndian: table.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
  }

  /// Metadata layers: an index of names and places, then the contents.
  fileprivate static func metadata(
    _ header: inout MessagePackReader, bytes: UnsafeRawBufferPointer
  ) throws -> [String: [UInt8]] {
    guard header.position < bytes.count, (try? header.arrayCount()) == 3 else { return [:] }
    _ = try header.integer()
    var metadata: [String: [UInt8]] = [:]
    for _ in 0..<(try header.mapCount()) {
      let name = try header.string()
      var content = MessagePackReader(bytes, at: try header.integer())
      metadata[name] = Array(try content.raw())
    }
    return metadata
  }

  var chunkCount: Int { offsets.count }

  /// A chunk; nil when it is all zeros. The file must be kept while it is used. Throws `badInput`.
  func chunk(_ index: Int) throws -> BloscChunk? {
    let offset = offsets[index]
    if offset < 0 {
      // The kind of special chunk is in the highest byte, below the sign: 1 for zeros, 4 for unspecified.
      let kind = offset >> 56 & 0x7F
      guard kind == 1 || kind == 4 else { throw BloscChunk.damaged }
      return nil
    }
    guard offset <= Int64(file.bytes.count - headerSize) else { throw BloscChunk.damaged }
    return try BloscChunk(UnsafeRawBufferPointer(rebasing: file.bytes[(headerSize + Int(offset))...]))
  }
}

/// The few kinds of MessagePack values that frames are described with (big-endian).
struct MessagePackReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position: Int

  init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
    self.bytes = bytes
    self.position = min(max(0, position), bytes.count)
  }

  private static let malformed = Failure(.badInput, "has a malformed Blosc2 header")

  private mutating func number(bytes count: Int) throws -> Int {
    guard count <= bytes.count - position else { throw Self.malformed }
    var value: UInt64 = 0
    for byte in bytes[position..<position + count] { value = value << 8 | UInt64(byte) }
    position += count
    guard let result = Int(exactly: value) else { throw Self.malformed }
    return result
  }

  /// A number that is not negative.
  mutating func integer() throws -> Int {
    switch try number(bytes: 1) {
    case let small where small < 0x80: return small
    case 0xCC, 0xD0: return try number(bytes: 1)
    case 0xCD, 0xD1: return try number(bytes: 2)
    case 0xCE, 0xD2: return try number(bytes: 4)
    case 0xCF, 0xD3: return try number(bytes: 8)
    default: throw Self.malformed
    }
  }

  mutating func boolean() throws -> Bool {
    switch try number(bytes: 1) {
    case 0xC2: return false
    case 0xC3: return true
    default: throw Self.malformed
    }
  }

  mutating func arrayCount() throws -> Int {
    switch try number(bytes: 1) {
    case let short where short & 0xF0 == 0x90: return short & 0xF
    case 0xDC: return try number(bytes: 2)
    case 0xDD: return try number(bytes: 4)
    default: throw Self.malformed
    }
  }

  mutating func mapCount() throws -> Int {
    switch try number(bytes: 1) {
    case let short where short & 0xF0 == 0x80: return short & 0xF
    case 0xDE: return try number(bytes: 2)
    default: throw Self.malformed
    }
  }

  /// The content of a string, of binary data or of an extension.
  mutating func raw() throws -> UnsafeRawBufferPointer {
    let count: Int
    switch try number(bytes: 1) {
    case let short where short & 0xE0 == 0xA0: count = short & 0x1F
    case 0xC4, 0xD9: count = try number(bytes: 1)
    case 0xC5, 0xDA: count = try number(bytes: 2)
    case 0xC6, 0xDB: count = try number(bytes: 4)
    case 0xD8:
      _ = try number(bytes: 1)
      count = 16
    default: throw Self.malformed
    }
    guard count <= bytes.count - position else { throw Self.malformed }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  mutating func string() throws -> String { String(decoding: try raw(), as: UTF8.self) }
}
