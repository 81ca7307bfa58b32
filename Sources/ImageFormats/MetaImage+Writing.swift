extension MetaImage {
  /// The header of a compressed file as ITK writes it, up to the voxels.
  ///
  /// `dataFile` is "LOCAL", or the name of the file with the voxels.
  static func header(
    sizes: [Int], type: ScalarType, geometry: ITKGeometry, compressedSize: Int, dataFile: String
  ) -> [UInt8] {
    let count = sizes.count
    func list(_ values: [Double]) -> String { values.map(TextHeader.text).joined(separator: " ") }
    let columns = (0..<count * count).map { geometry.direction[$0 % count * count + $0 / count] }
    let spacing = "ElementSpacing = " + list(geometry.spacing)
    let size = "DimSize = " + sizes.map(String.init).joined(separator: " ")
    var lines = [
      "ObjectType = Image", "NDims = \(count)", "BinaryData = True", "BinaryDataByteOrderMSB = False",
      "CompressedData = True", "CompressedDataSize = \(compressedSize)", "TransformMatrix = " + list(columns),
      "Offset = " + list(geometry.origin), "CenterOfRotation = " + list(Array(repeating: 0, count: count)),
    ]
    if count == 3 {
      lines += ["AnatomicalOrientation = " + anatomicalOrientation(geometry), spacing, size]
    } else {
      lines += [spacing, size, "AnatomicalOrientation = ??"]
    }
    lines.append("ElementType = " + (type == .uint8 ? "MET_UCHAR" : "MET_USHORT"))
    lines.append("ElementDataFile = \(dataFile)")
    return Array((lines.joined(separator: "\n") + "\n").utf8)
  }

  /// MetaIO names the sides that the index axes come from: identity in LPS is "RAI".
  private static func anatomicalOrientation(_ geometry: ITKGeometry) -> String {
    let code = Orientation.code(ofDirection: Matrix3(geometry.direction))
    let opposite: [Character: Character] = ["R": "L", "L": "R", "A": "P", "P": "A", "I": "S", "S": "I"]
    return String(code.map { opposite[$0] ?? "?" })
  }
}
