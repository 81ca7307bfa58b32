extension NRRD {
  /// The header of an attached, gzip-compressed file, up to and with the empty line, as ITK writes it.
  static func header(sizes: [Int], type: ScalarType, geometry: ITKGeometry) -> [UInt8] {
    let count = sizes.count
    func vector(_ values: [Double]) -> String { "(" + values.map(TextHeader.text).joined(separator: ",") + ")" }
    let directions = (0..<count).map { axis in
      vector((0..<count).map { geometry.direction[$0 * count + axis] * geometry.spacing[axis] })
    }
    var lines = ["NRRD0004", "# Complete NRRD file format specification at:"]
    lines.append("# http://teem.sourceforge.net/nrrd/format.html")
    lines.append("type: " + (type == .uint8 ? "unsigned char" : "unsigned short"))
    lines.append("dimension: \(count)")
    lines.append(count == 3 ? "space: left-posterior-superior" : "space dimension: \(count)")
    lines.append("sizes: " + sizes.map(String.init).joined(separator: " "))
    lines.append("space directions: " + directions.joined(separator: " "))
    lines.append("kinds: " + Array(repeating: "domain", count: count).joined(separator: " "))
    if type.byteCount > 1 { lines.append("endian: little") }
    lines.append("encoding: gzip")
    lines.append("space origin: " + vector(geometry.origin))
    return Array((lines.joined(separator: "\n") + "\n\n").utf8)
  }
}
