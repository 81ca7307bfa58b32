import Basics

/// Windows bitmaps: uncompressed, 8 bits with a palette, 24 or 32 bits.
enum BMP {
  /// Throws `badInput`.
  static func open(_ file: MappedFile) throws -> EncodedImage {
    let reader = ByteReader(bytes: Array(file.bytes.prefix(2048)))
    guard reader.matches(0, Array("BM".utf8)), reader.bytes.count >= 54 else {
      throw Failure(.badInput, "is not a BMP file")
    }
    let dataStart = Int(reader.integer(10, as: UInt32.self))
    let headerSize = Int(reader.integer(14, as: UInt32.self))
    let width = Int(reader.integer(18, as: Int32.self))
    let signedHeight = Int(reader.integer(22, as: Int32.self))
    let bits = Int(reader.integer(28, as: UInt16.self))
    guard headerSize >= 40, reader.integer(30, as: UInt32.self) == 0, [8, 24, 32].contains(bits) else {
      throw Failure(.badInput, "is a BMP file of a kind that is not supported", hint: "convert it to PNG")
    }
    let height = abs(signedHeight)
    let count = try voxelCount([width, height])
    let (rowBits, overflow) = width.multipliedReportingOverflow(by: bits)
    let rowSize = (rowBits / 8 + 3) & ~3
    let (size, overflow2) = rowSize.multipliedReportingOverflow(by: height)
    guard !overflow, !overflow2, dataStart >= 54, size <= file.bytes.count - dataStart else {
      throw Failure(.badInput, "ends before its last pixel")
    }
    let palette = bits == 8 ? palette(reader, headerSize: headerSize) : nil
    let isGrey = palette?.allSatisfy { $0[0] == $0[1] && $0[1] == $0[2] } ?? false
    let components = isGrey ? 1 : bits == 32 ? 4 : 3
    var pixels: [UInt8] = []
    pixels.reserveCapacity(count * components)
    for y in 0..<height {
      // Rows run upwards unless the height is negative.
      let row = dataStart + (signedHeight > 0 ? height - 1 - y : y) * rowSize
      for x in 0..<width {
        if let palette {
          let colour = palette[Int(file.bytes[row + x])]
          if isGrey { pixels.append(colour[0]) } else { pixels += colour }
        } else {
          let pixel = row + x * bits / 8
          pixels.append(file.bytes[pixel + 2])
          pixels.append(file.bytes[pixel + 1])
          pixels.append(file.bytes[pixel])
          if bits == 32 { pixels.append(file.bytes[pixel + 3]) }
        }
      }
    }
    let voxels = try EncodedVoxels(
      storage: .memory(pixels), encoding: .raw,
      conversion: VoxelConversion(type: .uint8, isBigEndian: false, rescale: .none), count: count * components)
    return EncodedImage(
      path: file.path, format: .bmp, type: .uint8, sizes: [width, height], components: components,
      isInterleaved: true, geometry: ITKGeometry(dimensions: 2), voxels: voxels)
  }

  /// 256 colours, red first; those that the file leaves out are black.
  private static func palette(_ reader: ByteReader, headerSize: Int) -> [[UInt8]] {
    (0..<256).map { index in
      let offset = 14 + headerSize + 4 * index
      return [2, 1, 0].map { reader.integer(offset + $0, as: UInt8.self) }
    }
  }

  /// An 8-bit grey file. `pixels` are rows from the top.
  static func encode(grey pixels: [UInt8], width: Int, height: Int) throws -> [UInt8] {
    let rowSize = (width + 3) & ~3
    guard pixels.count == width * height, 1078 + rowSize * height <= Int(Int32.max) else {
      throw Failure(.cannotWrite, "is too large for a BMP file")
    }
    var header = ByteWriter(count: 1078)
    header.put(Array("BM".utf8), at: 0)
    header.put(UInt32(1078 + rowSize * height), at: 2)
    header.put(UInt32(1078), at: 10)
    header.put(UInt32(40), at: 14)
    header.put(Int32(width), at: 18)
    header.put(Int32(height), at: 22)
    header.put(UInt16(1), at: 26)
    header.put(UInt16(8), at: 28)
    header.put(UInt32(rowSize * height), at: 34)
    header.put(UInt32(256), at: 46)
    for grey in 0..<256 { header.put(Array(repeating: UInt8(grey), count: 3), at: 54 + 4 * grey) }
    var bytes = header.bytes
    for y in stride(from: height - 1, through: 0, by: -1) {
      bytes += pixels[y * width..<(y + 1) * width]
      bytes += Array(repeating: 0, count: rowSize - width)
    }
    return bytes
  }
}
