import Basics
import Imaging

extension NIfTITemplate {
  /// Everything that comes before the voxels of an image of bytes with this header: the header, and the extensions.
  ///
  /// Description, intent, units, display range and codes are the template's; the slope is one. Data type, sizes, and
  /// where they differ the affine, are the new image's.
  ///
  /// - Parameters:
  ///   - shape: (Z, Y, X).
  ///   - affine: Row-major 4x4 to RAS mm. One that agrees with the template's to five digits, or nil, leaves both forms
  ///     and their codes alone; another becomes the sform with code 2, and the qform is unset, as nibabel does.
  ///   - added: Extensions that come before the template's own, since some readers look at the first only.
  /// - Throws: `cannotWrite` for more than 32767 voxels along an axis.
  public func header(
    for shape: Shape3D, affine: [Double]? = nil, extensions added: [NIfTIExtension] = []
  ) throws -> [UInt8] {
    let extents = [shape.x, shape.y, shape.z]
    let fresh = try NIfTI.nibabelHeader(sizes: extents, type: .uint8, affine: Affine(rows: affine ?? self.affine))
    var writer = ByteWriter(bytes: header)
    if sizes != extents {
      writer.put(Array(fresh[40..<56]), at: 40)
      for axis in 4...7 { writer.put(Float(1), at: 76 + 4 * axis) }
    }
    // The type, its bits, slope and intercept.
    writer.put(Array(fresh[70..<74]), at: 70)
    writer.put(Array(fresh[112..<120]), at: 112)
    if let affine, !Self.agree(affine, self.affine) {
      writer.put(Array(fresh[76..<92]), at: 76)
      writer.put(Array(fresh[252..<328]), at: 252)
    }
    let all = (added + extensions).flatMap(\.encoded)
    writer.put(Float(NIfTIHeader.size1 + 4 + all.count), at: 108)
    return writer.bytes + [all.isEmpty ? 0 : 1, 0, 0, 0] + all
  }

  /// Writes labels with this header; see `header(for:affine:extensions:)`.
  ///
  /// The file appears whole or not at all, and is compressed on all cores. Throws `cannotWrite`, also for names that end
  /// in neither .nii nor .nii.gz.
  public func write(
    _ labels: Volume<UInt8>, to path: String, affine: [Double]? = nil, extensions: [NIfTIExtension] = []
  ) throws {
    try locating(path) {
      let name = path.asciiLowercased
      guard name.hasSuffix(".nii") || name.hasSuffix(".nii.gz") else {
        throw Failure(.cannotWrite, "has an ending this writer does not know", hint: "it writes .nii and .nii.gz")
      }
      let shape = labels.shape
      let front = try header(for: shape, affine: affine, extensions: extensions)
      let file = try AtomicFile(path: path)
      try labels.elements.withUnsafeBytes { voxels in
        let voxels = UnsafeRawBufferPointer(rebasing: voxels[..<shape.count])
        if name.hasSuffix(".gz") {
          let layout = LabelLayout(bytesPerLabel: 1, sizes: [shape.x, shape.y, shape.z])
          try file.write(Gzip.compress(labels: voxels, layout: layout, after: front))
        } else {
          try file.write(front)
          try file.write(voxels)
        }
      }
      try file.commit()
    }
  }

  /// NumPy's idea of close: a hundred-thousandth of the value.
  private static func agree(_ left: [Double], _ right: [Double]) -> Bool {
    zip(left, right).allSatisfy { abs($0 - $1) <= 1e-8 + 1e-5 * abs($1) }
  }
}
