import Imaging

extension Volume where Element == UInt8 {
  /// The label map that the scripts beside golden files draw: cubes of background or of a label 1...number.
  public static func drawnCubes(seed: UInt64, shape: Shape3D, block: Int, permille: Int, number: Int) -> Volume {
    var generator = SeededGenerator(seed: seed)
    let cells = shape.axes.map { ($0 + block - 1) / block }
    let labels = (0..<cells[0] * cells[1] * cells[2]).map { _ in
      let draw = generator.next()
      return (draw >> 33) % 1000 < permille ? UInt8(1 + (draw >> 13) % UInt64(number)) : 0
    }
    var map = Volume(shape: shape, repeating: 0)
    for z in 0..<shape.z {
      for y in 0..<shape.y {
        for x in 0..<shape.x {
          map[z, y, x] = labels[((z / block) * cells[1] + y / block) * cells[2] + x / block]
        }
      }
    }
    return map
  }

  /// CRC-32 of the labels.
  public var checksum: Int { elements.withUnsafeBytes { crc32($0) } }
}

/// CRC-32 as zlib computes it.
public func crc32(_ bytes: UnsafeRawBufferPointer) -> Int {
  var crc: UInt32 = .max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
  }
  return Int(~crc)
}
