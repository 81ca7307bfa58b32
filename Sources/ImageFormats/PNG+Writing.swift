import Basics

extension PNG {
  /// Writes an 8-bit colour picture atomically.
  ///
  /// - Parameters:
  ///   - rgb: Red, green and blue of each pixel, row by row from the top; `3 * width * height` bytes.
  /// - Throws: `internalError` when the number of bytes does not fit, `cannotWrite`.
  public static func write(rgb: [UInt8], width: Int, height: Int, to path: String) throws {
    let bytes = try locating(path) { try encode(rgb, width: width, height: height, samples: 3, bytesPerSample: 1) }
    try AtomicFile.write(bytes, to: path)
  }

  /// A whole file. Samples of two bytes are big-endian, as PNG wants them.
  static func encode(
    _ pixels: [UInt8], width: Int, height: Int, samples: Int, bytesPerSample: Int
  ) throws -> [UInt8] {
    let rowSize = width * samples * bytesPerSample
    guard width > 0, height > 0, pixels.count == rowSize * height, max(width, height) < 1 << 31 else {
      throw Failure(.internalError, "\(pixels.count) bytes are no picture of \(width) x \(height) pixels")
    }
    // Each row begins with its filter: "up" (2) makes smooth pictures smaller; labels do best with none (0).
    let usesUp = samples > 1
    var filtered: [UInt8] = []
    filtered.reserveCapacity((rowSize + 1) * height)
    for y in 0..<height {
      let row = pixels[y * rowSize..<(y + 1) * rowSize]
      if usesUp, y > 0 {
        filtered.append(2)
        for index in row.indices { filtered.append(pixels[index] &- pixels[index - rowSize]) }
      } else {
        filtered.append(0)
        filtered += row
      }
    }
    let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height))
    let colour: UInt8 = samples == 3 ? 2 : 0
    let body = try filtered.withUnsafeBytes { try Zlib.compress($0) }
    return signature + chunk("IHDR", header + [UInt8(8 * bytesPerSample), colour, 0, 0, 0]) + chunk("IDAT", body)
      + chunk("IEND", [])
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }

  private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
    let content = Array(name.utf8) + body
    return bigEndian(UInt32(body.count)) + content + bigEndian(content.withUnsafeBytes { Deflate.crc32($0) })
  }
}
