import Basics

extension NIfTI {
  /// A 352-byte NIfTI-1 header as ITK writes it: qform and sform alike with code 1 (scanner), millimetres and seconds.
  ///
  /// - Parameters:
  ///   - sizes: Extents in index order, 2 or 3 of them. Throws `cannotWrite` for more than 32767 along an axis.
  ///   - geometry: As many dimensions as `sizes`.
  static func itkHeader(sizes: [Int], type: ScalarType, geometry: ITKGeometry) throws -> [UInt8] {
    var header = try start(sizes: sizes, type: type)
    let full = geometry.resized(to: 3)
    var pixdim = full.spacing.map { Float($0) }
    pixdim += [0, 0, 0, 0]
    // The NIfTI library's floats: rows are the index axes in RAS, made orthogonal, then turned upright.
    var axes = Matrix3()
    for row in 0..<3 {
      for column in 0..<3 {
        let sign = row < 2 ? -1.0 : 1.0
        axes[column, row] = Double(Float(sign * full.direction[row * 3 + column]))
      }
    }
    let rotation = (axes.unitRowsInSinglePrecision().polarFactor(inSinglePrecision: true) ?? axes).transposed
    let (b, c, d, handedness) = rotation.quaternion(inSinglePrecision: true)
    header.put(Float(handedness), at: 76)
    for (axis, size) in pixdim.enumerated() { header.put(size, at: 80 + 4 * axis) }
    // Millimetres (2) and seconds (8).
    header.put(UInt8(10), at: 123)
    header.put(UInt8(ascii: "r"), at: 38)
    let offset = [-full.origin[0], -full.origin[1], full.origin[2]].map { Float($0) }
    for (index, value) in ([Float(b), Float(c), Float(d)] + offset).enumerated() {
      header.put(value, at: 256 + 4 * index)
    }
    for row in 0..<3 {
      for column in 0..<3 {
        header.put(Float(full.spacing[column] * rotation[row, column]), at: 280 + 16 * row + 4 * column)
      }
      header.put(offset[row], at: 292 + 16 * row)
    }
    header.put(Int16(1), at: 252)
    header.put(Int16(1), at: 254)
    return header.bytes
  }

  /// A 352-byte NIfTI-1 header as nibabel writes it for a new image: sform with code 2 (aligned), qform unset (0).
  static func nibabelHeader(sizes: [Int], type: ScalarType, affine: Affine) throws -> [UInt8] {
    var header = try start(sizes: sizes, type: type)
    let (b, c, d, handedness) = affine.matrix.quaternion(inSinglePrecision: false)
    header.put(Float(handedness), at: 76)
    for axis in 0..<7 { header.put(axis < 3 ? Float(affine.matrix.columnNorm(axis)) : 1, at: 80 + 4 * axis) }
    header.put(Int16(2), at: 254)
    let fields = [b, c, d] + affine.translation
    for (index, value) in fields.enumerated() { header.put(Float(value), at: 256 + 4 * index) }
    for (index, value) in affine.values.prefix(12).enumerated() { header.put(Float(value), at: 280 + 4 * index) }
    return header.bytes
  }

  /// What both conventions have in common.
  private static func start(sizes: [Int], type: ScalarType) throws -> ByteWriter {
    guard sizes.allSatisfy({ (1...Int(Int16.max)).contains($0) }) else {
      throw Failure(.cannotWrite, "cannot be a NIfTI-1 file: an extent of \(sizes) exceeds \(Int16.max)")
    }
    var header = ByteWriter(count: 352)
    header.put(Int32(NIfTIHeader.size1), at: 0)
    header.put(Int16(sizes.count), at: 40)
    for axis in 0..<7 { header.put(Int16(axis < sizes.count ? sizes[axis] : 1), at: 42 + 2 * axis) }
    header.put(Int16(type == .uint8 ? 2 : 512), at: 70)
    header.put(Int16(8 * type.byteCount), at: 72)
    header.put(Float(352), at: 108)
    // Slope one, intercept zero.
    header.put(Float(1), at: 112)
    header.put(NIfTIHeader.magic1, at: 344)
    return header
  }
}

extension Matrix3 {
  /// Rows scaled to unit length with floats, as the NIfTI library does before it orthogonalises.
  fileprivate func unitRowsInSinglePrecision() -> Matrix3 {
    var result = self
    for row in 0..<3 {
      let (x, y, z) = (Float(self[row, 0]), Float(self[row, 1]), Float(self[row, 2]))
      let square = Double(x * x + y * y + z * z)
      guard square > 0 else { continue }
      let scale = 1 / square.squareRoot()
      for column in 0..<3 { result[row, column] = Double(Float(self[row, column] * scale)) }
    }
    return result
  }
}
