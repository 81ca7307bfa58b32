import CLibDeflate
import CZlib

/// Raw DEFLATE data (RFC 1951), as ZIP members hold it, and the CRC-32 that ZIP and gzip check it with.
public enum Deflate {
  /// DEFLATE cannot expand data by more than this factor, so a small file cannot back a larger claim.
  public static let maximumExpansion = 1032

  /// Inflates `source` into `output`, which must be filled exactly.
  ///
  /// Throws `badInput` when the data are damaged, end early, or hold more or fewer bytes than `output` has room for.
  public static func inflate(_ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws {
    let decompressor = try Decompressor()
    let (sourceBase, outputBase) = (baseAddress(of: source), baseAddress(of: output))
    var written = 0
    let result = libdeflate_deflate_decompress(
      decompressor.handle, sourceBase, source.count, outputBase, output.count, &written)
    switch result {
    case LIBDEFLATE_SUCCESS where written == output.count: return
    case LIBDEFLATE_SUCCESS, LIBDEFLATE_SHORT_OUTPUT:
      throw Failure(.badInput, "its compressed data hold \(written) bytes where \(output.count) were expected")
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      throw Failure(.badInput, "its compressed data hold more than the expected \(output.count) bytes")
    default: throw ZlibStream.diagnosis(of: source, wrapper: .none)
    }
  }

  /// Inflates `source`, which must hold exactly `count` bytes. Throws `badInput`.
  public static func inflate(_ source: UnsafeRawBufferPointer, count: Int) throws -> [UInt8] {
    guard count >= 0, count / maximumExpansion <= source.count else {
      throw Failure(.badInput, "\(source.count) compressed bytes cannot hold \(count) bytes")
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try inflate(source, into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
      initialized = count
    }
  }

  /// Deflates `bytes` at a zlib level (1 fast ... 9 small); large inputs on all cores.
  public static func compress(_ bytes: UnsafeRawBufferPointer, level: Int = 6) throws -> [UInt8] {
    guard bytes.count < ParallelDeflate.threshold else {
      return try ParallelDeflate.compress(bytes, level: level, check: .none).joined()
    }
    let compressor = try Compressor(level: level)
    let bound = libdeflate_deflate_compress_bound(compressor.handle, bytes.count)
    let base = baseAddress(of: bytes)
    return [UInt8](unsafeUninitializedCapacity: bound) { buffer, initialized in
      initialized = libdeflate_deflate_compress(compressor.handle, base, bytes.count, buffer.baseAddress, bound)
    }
  }

  /// The CRC-32 (ISO 3309, as in gzip, ZIP and PNG) of `bytes`, continuing from `seed`.
  public static func crc32(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    // libdeflate takes a null pointer as a request for the initial value.
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return seed }
    return libdeflate_crc32(seed, base, bytes.count)
  }
}

/// Owns a libdeflate decompressor.
struct Decompressor: ~Copyable {
  let handle: OpaquePointer

  init() throws {
    guard let handle = libdeflate_alloc_decompressor() else { throw outOfMemory() }
    self.handle = handle
  }

  deinit { libdeflate_free_decompressor(handle) }
}

/// Owns a libdeflate compressor.
struct Compressor: ~Copyable {
  let handle: OpaquePointer

  init(level: Int) throws {
    guard let handle = libdeflate_alloc_compressor(Int32(min(max(level, 0), 12))) else { throw outOfMemory() }
    self.handle = handle
  }

  deinit { libdeflate_free_compressor(handle) }
}

func outOfMemory() -> Failure { Failure(.internalError, "there is not enough memory") }

/// A valid address even for an empty buffer, which C functions like to be given.
func baseAddress(of bytes: UnsafeRawBufferPointer) -> UnsafeRawPointer {
  bytes.baseAddress ?? UnsafeRawPointer(emptyStorage)
}

func baseAddress(of bytes: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawPointer {
  bytes.baseAddress ?? emptyStorage
}

nonisolated(unsafe) private let emptyStorage = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)
