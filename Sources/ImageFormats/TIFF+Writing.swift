import Basics

extension TIFF {
  /// A little-endian grey stack, each page one strip of DEFLATE data (compression 8), pages compressed on all cores.
  ///
  /// `pixels` holds the pages one after the other in little-endian numbers. Throws `cannotWrite` when the result
  /// would exceed the 4 GiB of a classic TIFF file.
  static func encode(
    _ pixels: UnsafeRawBufferPointer, width: Int, height: Int, pages: Int, bytesPerSample: Int
  ) throws -> [UInt8] {
    let pageSize = width * height * bytesPerSample
    guard pageSize > 0, pages > 0, pixels.count == pageSize * pages else {
      throw Failure(.internalError, "\(pixels.count) bytes are no stack of \(pages) x \(height) x \(width) pixels")
    }
    var strips = [[UInt8]?](repeating: nil, count: pages)
    strips.withUnsafeMutableBufferPointer { strips in
      let shared = Shared((pixels: pixels, strips: strips))
      Parallel.forEach(pages) { page in
        let range = page * pageSize..<(page + 1) * pageSize
        shared.value.strips[page] = try? Zlib.compress(UnsafeRawBufferPointer(rebasing: shared.value.pixels[range]))
      }
    }
    let complete = strips.compactMap { $0 }
    guard complete.count == pages else { throw Failure(.internalError, "there is not enough memory") }
    let total = complete.reduce(8) { $0 + $1.count + 1 + directorySize }
    guard total <= Int(UInt32.max) else { throw Failure(.cannotWrite, "would exceed the 4 GiB of a TIFF file") }

    // "II", 42, and where the first directory is; a page's directory lies behind its strip.
    var bytes: [UInt8] = [0x49, 0x49, 42, 0, 0, 0, 0, 0]
    bytes.reserveCapacity(total)
    var link = 4
    for strip in complete {
      let stripOffset = bytes.count
      bytes += strip
      if bytes.count % 2 == 1 { bytes.append(0) }
      put(UInt32(bytes.count), at: link, in: &bytes)
      let entries: [(tag: UInt16, isLong: Bool, value: Int)] = [
        (256, true, width), (257, true, height), (258, false, 8 * bytesPerSample), (259, false, 8), (262, false, 1),
        (273, true, stripOffset), (277, false, 1), (278, true, height), (279, true, strip.count), (339, false, 1),
      ]
      bytes += little(UInt16(entries.count))
      for entry in entries {
        bytes += little(entry.tag) + little(UInt16(entry.isLong ? 4 : 3)) + little(UInt32(1))
        bytes += little(UInt32(entry.value))
      }
      link = bytes.count
      bytes += [0, 0, 0, 0]
    }
    return bytes
  }

  private static let directorySize = 2 + 10 * 12 + 4

  private static func little<Number: FixedWidthInteger>(_ value: Number) -> [UInt8] {
    (0..<MemoryLayout<Number>.size).map { UInt8(truncatingIfNeeded: value >> Number(8 * $0)) }
  }

  private static func put(_ value: UInt32, at offset: Int, in bytes: inout [UInt8]) {
    bytes.replaceSubrange(offset..<offset + 4, with: little(value))
  }
}
