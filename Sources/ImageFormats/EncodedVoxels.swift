import Basics
import Imaging

/// The voxels of a file before they are decoded: where they lie and what they are.
///
/// Making one costs no more than reading a header; `init` has already checked that the file can back the voxels its
/// header promises, so a damaged header cannot ask for memory at will.
struct EncodedVoxels: Sendable {
  enum Encoding: Sendable {
    case raw, gzip, zlib
    /// Numbers in ASCII, between white space.
    case text
    /// Two hexadecimal digits a byte.
    case hexadecimal
  }

  /// Where the encoded bytes are.
  enum Storage: Sendable {
    case file(MappedFile, Range<Int>)
    /// Several files in a row (one slice each).
    case files([(MappedFile, Range<Int>)])
    /// Bytes in memory.
    case memory([UInt8])
    /// Bytes that a codec will produce, and how many.
    case codec(count: Int, decode: @Sendable () throws -> [UInt8])
  }

  let storage: Storage
  let encoding: Encoding
  /// Decoded bytes before the first voxel.
  let skip: Int
  var conversion: VoxelConversion
  /// How many numbers there are.
  let count: Int

  /// Throws `badInput` when the encoded bytes cannot hold `count` numbers of the type.
  init(storage: Storage, encoding: Encoding, skip: Int = 0, conversion: VoxelConversion, count: Int) throws {
    self.storage = storage
    self.encoding = encoding
    self.skip = skip
    self.conversion = conversion
    self.count = count
    let (bytes, overflow) = count.multipliedReportingOverflow(by: conversion.type.byteCount)
    let (total, overflow2) = bytes.addingReportingOverflow(skip)
    guard count >= 0, skip >= 0, !overflow, !overflow2 else {
      throw Failure(.badInput, "its header promises more voxels than any file can hold")
    }
    let available = encodedByteCount
    let isBacked =
      switch encoding {
      case .raw: total <= available
      case .gzip, .zlib: total / Deflate.maximumExpansion <= available
      // One digit and one separator a number; two digits a byte.
      case .text: count <= available / 2 + 1
      case .hexadecimal: total <= available / 2
      }
    guard isBacked else {
      throw Failure(
        .badInput, "its header promises \(total) bytes of voxels, but only \(available) bytes follow",
        hint: "the file was probably not copied or downloaded completely")
    }
  }

  private var encodedByteCount: Int {
    switch storage {
    case .file(_, let range): range.count
    case .files(let parts): parts.reduce(0) { $0 + $1.1.count }
    case .memory(let bytes): bytes.count
    case .codec(let count, _): count
    }
  }

  /// The number of decoded bytes up to the last voxel.
  private var streamSize: Int { skip + count * conversion.type.byteCount }

  /// Spare floats behind the last voxel that let `decode` do without a second buffer.
  var usefulSlack: Int { encoding == .gzip || encoding == .zlib ? (skip + 3) / 4 : 0 }

  /// Decodes all voxels into the first `count` floats of `target`; what is behind them may be overwritten.
  ///
  /// Compressed data are inflated into the end of `target` itself and converted in place where that is possible, so
  /// that the decompressed bytes need no memory of their own. Throws `badInput` for damaged data.
  func decode(into target: UnsafeMutableBufferPointer<Float>) throws {
    guard count > 0, let floats = target.baseAddress, target.count >= count else { return }
    switch encoding {
    case .raw: try decodeRaw(into: floats)
    case .text: try decodeText(into: floats)
    case .hexadecimal:
      let bytes = try withBytes { try Self.hexadecimal($0, count: streamSize) }
      bytes.withUnsafeBytes { convert($0, to: floats) }
    case .gzip, .zlib:
      // At the end of the target, each number lies at or above its float, for types no longer than a float.
      let start = target.count * 4 - streamSize
      if start >= 0 && conversion.type.byteCount <= 4 {
        let whole = UnsafeMutableRawBufferPointer(target)
        let stream = UnsafeMutableRawBufferPointer(rebasing: whole[start..<start + streamSize])
        let pages = PageSupply(whole, startingAt: start)
        defer { pages.stop() }
        try inflate(into: stream)
        guard let base = stream.baseAddress else { return }
        conversion.convertInPlace(UnsafeRawPointer(base) + skip, to: floats, count: count)
      } else {
        let stream = UnsafeMutableRawBufferPointer.allocate(byteCount: streamSize, alignment: 16)
        defer { stream.deallocate() }
        try inflate(into: stream)
        convert(UnsafeRawBufferPointer(stream), to: floats)
      }
    }
  }

  /// Decodes all voxels into `target` without rounding them to floats. Throws `badInput` for damaged data.
  func decode(into target: UnsafeMutableBufferPointer<Double>) throws {
    guard count > 0, let numbers = target.baseAddress, target.count >= count else { return }
    func convert(_ bytes: UnsafeRawBufferPointer) {
      if let base = bytes.baseAddress { conversion.convert(base + skip, to: numbers, count: count) }
    }
    switch encoding {
    case .raw: try withBytes(convert)
    case .gzip, .zlib:
      let stream = UnsafeMutableRawBufferPointer.allocate(byteCount: streamSize, alignment: 16)
      defer { stream.deallocate() }
      try inflate(into: stream)
      convert(UnsafeRawBufferPointer(stream))
    case .text, .hexadecimal: throw Failure(.internalError, "text cannot be decoded in double precision")
    }
  }

  /// The stored numbers when they are bytes without a rescaling; nil for everything else. Throws `badInput`.
  func decodeBytes() throws -> [UInt8]? {
    guard conversion.type == .uint8, conversion.rescale.isIdentity, encoding != .text else { return nil }
    if encoding == .gzip || encoding == .zlib {
      return try [UInt8](unsafeUninitializedCapacity: streamSize) { buffer, initialized in
        guard let base = buffer.baseAddress else { return }
        try inflate(into: UnsafeMutableRawBufferPointer(start: base, count: streamSize))
        if skip > 0 {
          UnsafeMutableRawPointer(base).copyMemory(from: UnsafeRawPointer(base) + skip, byteCount: count)
        }
        initialized = count
      }
    }
    guard encoding == .raw else { return nil }
    return try withBytes { Array($0[skip..<skip + count]) }
  }

  private func convert(_ bytes: UnsafeRawBufferPointer, to floats: UnsafeMutablePointer<Float>) {
    guard let base = bytes.baseAddress else { return }
    conversion.convert(base + skip, to: floats, count: count)
  }

  private func decodeRaw(into floats: UnsafeMutablePointer<Float>) throws {
    if case .files(let parts) = storage {
      var done = 0
      let size = conversion.type.byteCount
      for (file, range) in parts {
        let run = min(range.count / size, count - done)
        guard let base = file.bytes.baseAddress, run > 0 else { continue }
        conversion.convert(base + range.lowerBound, to: floats + done, count: run)
        done += run
      }
      guard done == count else { throw Failure(.badInput, "its slices do not divide into whole voxels") }
      return
    }
    try withBytes { convert($0, to: floats) }
  }

  private func inflate(into stream: UnsafeMutableRawBufferPointer) throws {
    try withBytes { bytes in
      switch encoding {
      case .zlib: try Zlib.inflate(bytes, into: stream)
      default:
        let written = try Gzip.decompress(bytes, into: stream)
        guard written == stream.count else {
          throw Failure(
            .badInput, "its header promises \(stream.count) bytes, but it decompresses to \(written)",
            hint: "the file was probably cut short when it was written")
        }
      }
    }
  }

  private func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    switch storage {
    case .file(let file, let range):
      return try withExtendedLifetime(file) { try body(UnsafeRawBufferPointer(rebasing: file.bytes[range])) }
    case .files(let parts):
      var bytes: [UInt8] = []
      for (file, range) in parts { bytes += file.bytes[range] }
      return try bytes.withUnsafeBytes(body)
    case .memory(let bytes): return try bytes.withUnsafeBytes(body)
    case .codec(let count, let decode):
      let bytes = try decode()
      guard bytes.count == count else { throw Failure(.badInput, "cannot be decoded") }
      return try bytes.withUnsafeBytes(body)
    }
  }
}

extension EncodedVoxels {
  private func decodeText(into floats: UnsafeMutablePointer<Float>) throws {
    try withBytes { bytes in
      var position = 0
      for index in 0..<count {
        while position < bytes.count, Self.isSeparator(bytes[position]) { position += 1 }
        let start = position
        while position < bytes.count, !Self.isSeparator(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard start < position, let number = Double(text) else {
          throw Failure(
            .badInput,
            start == position ? "ends after \(index) of \(count) voxels" : "has \"\(text.prefix(20))\" for a voxel")
        }
        floats[index] = Float(number * conversion.rescale.slope + conversion.rescale.intercept)
      }
    }
  }

  private static func isSeparator(_ byte: UInt8) -> Bool { byte <= 0x20 || byte == UInt8(ascii: ",") }

  private static func hexadecimal(_ text: UnsafeRawBufferPointer, count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var high: UInt8?
    for character in text where character > 0x20 {
      guard let digit = Character(Unicode.Scalar(character)).hexDigitValue else {
        throw Failure(.badInput, "has something else than hexadecimal digits among its voxels")
      }
      if let first = high {
        bytes.append(first << 4 | UInt8(digit))
        high = nil
        if bytes.count == count { return bytes }
      } else {
        high = UInt8(digit)
      }
    }
    throw Failure(.badInput, "ends after \(bytes.count) of \(count) bytes")
  }
}
