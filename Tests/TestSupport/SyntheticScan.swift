import Basics
import Imaging

/// A made-up scan in 16-bit integers: blobs in noise, some below zero, as a NIfTI file with an oblique affine.
public struct SyntheticScan: Sendable {
  /// (Z, Y, X)
  public var shape = Shape3D(24, 26, 30)
  /// Of the voxels in mm, (x, y, z).
  public var spacing: [Float] = [1.4, 1.45, 1.7]
  /// The sizes in the header; nil for those of `shape`.
  public var sizes: [Int16]?
  public var seed: UInt64 = 1
  /// NIfTI's number for the type of the voxels.
  public var datatype: Int16 = 4
  public var bitsPerVoxel: Int16 = 16

  public init() {}

  /// Voxel index (x, y, z) to RAS millimetres: x and y run backwards, and all axes are oblique by about 20 degrees. Sines and
  /// cosines are 7/25 and 24/25, 5/13 and 12/13, so that the axes are at right angles in single precision too.
  private var affine: [[Float]] {
    let turns: [[Float]] = [
      [-0.96, 0.28, 0], [-0.28 * 12 / 13, -0.96 * 12 / 13, 5 / 13], [0.28 * 5 / 13, 0.96 * 5 / 13, 12 / 13],
    ]
    return zip(turns, [40, 60, -20]).map { row, origin in zip(row, spacing).map(*) + [origin] }
  }

  /// The file, not compressed.
  public var bytes: [UInt8] {
    var header = [UInt8](repeating: 0, count: 352)
    func put<Value>(_ value: Value, at offset: Int) {
      withUnsafeBytes(of: value) { header.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
    put(Int32(348).littleEndian, at: 0)
    let sizes = sizes ?? [3, Int16(shape.x), Int16(shape.y), Int16(shape.z), 1, 1, 1, 1]
    for (index, size) in sizes.enumerated() { put(size.littleEndian, at: 40 + 2 * index) }
    put(datatype.littleEndian, at: 70)
    put(bitsPerVoxel.littleEndian, at: 72)
    put(Float(1).bitPattern.littleEndian, at: 76)
    for axis in 0..<3 { put(spacing[axis].bitPattern.littleEndian, at: 80 + 4 * axis) }
    put(Float(352).bitPattern.littleEndian, at: 108)
    put(Float(1).bitPattern.littleEndian, at: 112)
    header[123] = 2
    put(Int16(1).littleEndian, at: 254)
    for (row, values) in affine.enumerated() {
      for (column, value) in values.enumerated() {
        put(value.bitPattern.littleEndian, at: 280 + 16 * row + 4 * column)
      }
    }
    header.replaceSubrange(344..<348, with: Array("n+1\0".utf8))
    return header + voxels
  }

  /// The file, gzipped.
  public var gzipped: [UInt8] { get throws { try Gzip.compress(bytes) } }

  private var voxels: [UInt8] {
    var generator = SeededGenerator(seed: seed)
    let blobs = (0..<7).map { _ in (0..<4).map { _ in Double(generator.next() >> 11) / 0x1p53 } }
    var result: [UInt8] = []
    for z in 0..<shape.z {
      for y in 0..<shape.y {
        for x in 0..<shape.x {
          var value = -150.0
          for blob in blobs {
            let distance = [(x, shape.x, blob[0]), (y, shape.y, blob[1]), (z, shape.z, blob[2])].reduce(0) {
              let offset = Double($1.0) / Double($1.1) - $1.2
              return $0 + offset * offset
            }
            value += (1200 * blob[3] - 400) * max(0, 1 - 12 * distance)
          }
          let noise = Double(generator.next() % 41) - 20
          withUnsafeBytes(of: Int16(value + noise).littleEndian) { result += $0 }
        }
      }
    }
    return result
  }
}
