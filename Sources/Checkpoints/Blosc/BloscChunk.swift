import Basics
import CKernels

/// One compressed chunk of Blosc 1 or 2: a header, where its blocks begin, and the blocks, each decodable by itself.
struct BloscChunk {
  /// What a chunk without blocks consists of.
  private enum Special: Equatable {
    case none, zeros, notANumber, repeated, unspecified
  }

  private let bytes: UnsafeRawBufferPointer
  private let flags: UInt8
  private let typeSize: Int
  /// In application order; 0 does nothing.
  private var filters: [UInt8]
  private var special = Special.none
  private var headerSize = 16
  /// Bytes once decoded.
  let size: Int
  let blockSize: Int

  /// Parses the header at the beginning of `bytes`. Throws `badInput`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    var reader = ByteReader(bytes)
    _ = try reader.take(2)
    flags = try reader.read()
    typeSize = max(1, Int(try reader.read(UInt8.self)))
    size = Int(try reader.read(Int32.self))
    blockSize = Int(try reader.read(Int32.self))
    let stored = Int(try reader.read(Int32.self))
    guard size >= 0, blockSize > 0 || size == 0 && blockSize == 0, stored >= 16, stored <= bytes.count else {
      throw Self.damaged
    }
    self.bytes = UnsafeRawBufferPointer(rebasing: bytes[..<stored])
    // Both shuffle bits together announce the longer header of Blosc 2.
    if flags & 0x5 == 0x5 {
      guard stored >= 32 else { throw Self.damaged }
      headerSize = 32
      filters = Array(bytes[16..<22])
      guard bytes[31] & 1 == 0 else {
        throw Failure(.badInput, "is compressed with a dictionary, which is not supported")
      }
      switch bytes[31] >> 4 & 7 {
      case 0: special = .none
      case 1: special = .zeros
      case 2: special = .notANumber
      case 3: special = .repeated
      case 4: special = .unspecified
      default: throw Self.damaged
      }
    } else {
      filters = [flags & 1 != 0 ? 1 : flags & 4 != 0 ? 2 : 0]
    }
    for filter in filters where filter > 2 && filter != 4 {
      throw Failure(.badInput, "is compressed with the Blosc filter \(filter), which is not supported")
    }
  }

  var blockCount: Int { size == 0 ? 0 : (size + blockSize - 1) / blockSize }

  /// The number of bytes of a block; the last may be shorter.
  func byteCount(ofBlock block: Int) -> Int { min(blockSize, size - block * blockSize) }

  /// Decodes a block into the beginning of `target`. `scratch` is memory of the block's size too. Throws `badInput`.
  ///
  /// Returns the number of bytes: with nothing to return, Swift 6.3 ends the function in a jump to `memmove` without
  /// restoring the register for errors, and the caller sees one.
  @discardableResult
  func decode(
    _ block: Int, into target: UnsafeMutableRawBufferPointer, scratch: UnsafeMutableRawBufferPointer
  ) throws -> Int {
    let count = byteCount(ofBlock: block)
    guard block >= 0, block < blockCount, target.count >= count, scratch.count >= count,
      let out = target.baseAddress, let spare = scratch.baseAddress
    else { throw Self.damaged }
    switch special {
    case .none: break
    case .zeros, .unspecified:
      out.initializeMemory(as: UInt8.self, repeating: 0, count: count)
      return count
    case .notANumber, .repeated:
      try fill(target, count: count)
      return count
    }
    if flags & 2 != 0 {
      // Stored as it is, without filters.
      let start = headerSize + block * blockSize
      guard start + count <= bytes.count else { throw Self.damaged }
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
      return count
    }
    let active = filters.filter { $0 == 1 || $0 == 2 }
    // Each filter moves the bytes to the other buffer; the last one ends in `target`.
    var here = active.count % 2 == 0 ? out : spare
    var other = active.count % 2 == 0 ? spare : out
    try decodeStreams(block, into: UnsafeMutableRawBufferPointer(start: here, count: count))
    for filter in active.reversed() {
      let (from, to) = (here.assumingMemoryBound(to: UInt8.self), other.assumingMemoryBound(to: UInt8.self))
      if filter == 1 { mt_unshuffle(from, to, count, typeSize) } else { mt_bit_unshuffle(from, to, count, typeSize) }
      swap(&here, &other)
    }
    return count
  }

  /// The streams of a block: one, or one for each byte of a number.
  private func decodeStreams(_ block: Int, into target: UnsafeMutableRawBufferPointer) throws {
    var table = ByteReader(bytes, at: headerSize + 4 * block)
    let start = Int(try table.read(Int32.self))
    guard start >= headerSize, start <= bytes.count else { throw Self.damaged }
    var reader = ByteReader(bytes, at: start)
    let isSplit = flags & 0x10 == 0 && target.count == blockSize && typeSize > 0
    let streams = isSplit ? typeSize : 1
    let length = target.count / streams
    guard length * streams == target.count else { throw Self.damaged }
    for stream in 0..<streams {
      let piece = UnsafeMutableRawBufferPointer(rebasing: target[stream * length..<(stream + 1) * length])
      let stored = Int(try reader.read(Int32.self))
      if stored <= 0 {
        // A run of one byte: zero, or the value that the number is the negative of.
        if stored < 0 {
          guard stored >= -255, try reader.read(UInt8.self) & 1 == 1 else { throw Self.damaged }
        }
        piece.initializeMemory(as: UInt8.self, repeating: UInt8(-stored))
      } else {
        let packed = try reader.take(stored)
        if stored == length { piece.copyMemory(from: packed) } else { try unpack(packed, into: piece) }
      }
    }
  }

  private func unpack(_ packed: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws {
    let source = packed.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let output = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    switch flags >> 5 {
    case 0:
      guard mt_blosclz_decode(source, packed.count, output, target.count) == target.count else { throw Self.damaged }
    case 1:
      guard mt_lz4_decode(source, packed.count, output, target.count) == target.count else { throw Self.damaged }
    case 3: try Zlib.inflate(packed, into: target)
    case 4: guard try Zstandard.decompress(packed, into: target) else { throw Self.damaged }
    case let codec:
      let name = codec == 2 ? "Snappy" : "number \(codec)"
      throw Failure(
        .badInput, "is compressed with Blosc's codec \(name); BloscLZ, LZ4, LZ4HC, zlib and Zstandard can be read",
        hint: "preprocess the dataset again")
    }
  }

  private func fill(_ target: UnsafeMutableRawBufferPointer, count: Int) throws {
    var value: [UInt8]
    if special == .repeated {
      guard headerSize + typeSize <= bytes.count else { throw Self.damaged }
      value = Array(bytes[headerSize..<headerSize + typeSize])
    } else {
      // A quiet NaN of the type's size.
      value = [UInt8](repeating: 0, count: typeSize)
      value.withUnsafeMutableBytes { bytes in
        if bytes.count == 4 { bytes.storeBytes(of: Float.nan.bitPattern, as: UInt32.self) }
        if bytes.count == 8 { bytes.storeBytes(of: Double.nan.bitPattern, as: UInt64.self) }
      }
    }
    for index in 0..<count { target[index] = value[index % typeSize] }
  }

  static let damaged = Failure(
    .badInput, "holds a damaged Blosc chunk", hint: "the file may be incomplete; preprocess the dataset again")
}
