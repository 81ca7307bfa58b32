import Basics

/// The fields of a MetaImage header that an image needs.
struct MetaImageHeader {
  var sizes: [Int] = []
  var channels = 1
  var type = ""
  var isBinary = true
  var isBigEndian = false
  var isCompressed = false
  var compressedSize: Int?
  var headerSize = 0
  var spacing: [Double]?
  /// Used when there is no spacing.
  var elementSize: [Double]?
  var offset: [Double] = []
  /// One index axis after the other.
  var matrix: [Double] = []
  /// Names of data files; empty when the voxels follow the header.
  var dataFiles: [String] = []
  var dataStart = 0

  /// Throws `badInput`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    var position = 0
    var dimensions = 0
    var isComplete = false
    while !isComplete, let line = TextHeader.line(bytes, at: &position) {
      if TextHeader.trimmed(line).isEmpty { continue }
      guard let equals = line.firstIndex(of: "=") else {
        throw Failure(.badInput, "is not a MetaImage file: \"\(line.prefix(40))\" is no header line")
      }
      let field = TextHeader.trimmed(line[..<equals])
      let value = TextHeader.trimmed(line[line.index(after: equals)...])
      switch field {
      case "NDims":
        guard let number = Int(value), (2...4).contains(number) else {
          throw Failure(.badInput, "has \(value.prefix(20)) dimensions; 2, 3 or 4 can be read")
        }
        dimensions = number
      case "ElementDataFile":
        isComplete = true
        dataStart = position
        try readDataFiles(value, bytes, &position, slices: sizes.last ?? 0)
      default: try set(field, value)
      }
    }
    guard isComplete else { throw Failure(.badInput, "is not a MetaImage file, or its header lacks ElementDataFile") }
    guard dimensions > 0, sizes.count == dimensions else {
      throw Failure(.badInput, "has \(sizes.count) extents (DimSize) for \(dimensions) dimensions (NDims)")
    }
    guard (1...1024).contains(channels) else { throw Failure(.badInput, "has \(channels) numbers per voxel") }
  }

  private mutating func set(_ field: String, _ value: String) throws {
    switch field {
    case "ObjectType":
      guard value == "Image" else { throw Failure(.badInput, "is a MetaIO \(value.prefix(20)), not an image") }
    case "DimSize": sizes = try TextHeader.integers(value, field)
    case "ElementType": type = value
    case "ElementNumberOfChannels":
      guard let number = Int(value) else { throw TextHeader.malformed(field, value) }
      channels = number
    case "BinaryData": isBinary = isTrue(value)
    case "BinaryDataByteOrderMSB", "ElementByteOrderMSB": isBigEndian = isTrue(value)
    case "CompressedData": isCompressed = isTrue(value)
    case "CompressedDataSize":
      guard let number = Int(value), number >= 0 else { throw TextHeader.malformed(field, value) }
      compressedSize = number > 0 ? number : nil
    case "HeaderSize":
      guard let number = Int(value), number >= -1 else { throw TextHeader.malformed(field, value) }
      headerSize = number
    case "ElementSpacing": spacing = try TextHeader.numbers(value, field)
    case "ElementSize": elementSize = try TextHeader.numbers(value, field)
    case "Offset", "Position", "Origin": offset = try TextHeader.numbers(value, field)
    case "TransformMatrix", "Orientation", "Rotation": matrix = try TextHeader.numbers(value, field)
    default: break  // Names, comments, centre of rotation and acronyms place no voxel.
    }
  }

  private func isTrue(_ value: String) -> Bool { value.first == "T" || value.first == "t" || value == "1" }

  private mutating func readDataFiles(
    _ value: String, _ bytes: UnsafeRawBufferPointer, _ position: inout Int, slices: Int
  ) throws {
    if value.asciiLowercased == "local" { return }
    if value.hasPrefix("LIST") {
      while let name = TextHeader.line(bytes, at: &position) {
        let name = TextHeader.trimmed(name)
        if !name.isEmpty { dataFiles.append(name) }
      }
      guard dataFiles.count == slices else {
        throw Failure(.badInput, "lists \(dataFiles.count) data files for \(slices) slices")
      }
    } else if value.contains("%") {
      throw Failure(.badInput, "names its data files by a pattern, which is not supported", hint: "use LIST")
    } else {
      dataFiles = [value]
    }
  }

  func scalarType() throws -> ScalarType {
    switch type {
    case "MET_CHAR": return .int8
    case "MET_UCHAR": return .uint8
    case "MET_SHORT": return .int16
    case "MET_USHORT": return .uint16
    case "MET_INT", "MET_LONG": return .int32
    case "MET_UINT", "MET_ULONG": return .uint32
    case "MET_LONG_LONG": return .int64
    case "MET_ULONG_LONG": return .uint64
    case "MET_FLOAT": return .float32
    case "MET_DOUBLE": return .float64
    default: throw Failure(.badInput, "has voxels of type \"\(type.prefix(30))\", which is not supported")
    }
  }

  /// Spacing, origin and direction as ITK takes them. Throws `badInput`.
  func geometry() throws -> ITKGeometry {
    let count = sizes.count
    var geometry = ITKGeometry(dimensions: count)
    if let given = spacing ?? elementSize {
      guard given.count >= count, given.allSatisfy({ $0.isFinite && $0 != 0 }) else {
        throw Failure(.badInput, "has a malformed ElementSpacing: \(given)")
      }
      geometry.spacing = Array(given[..<count])
    }
    if !offset.isEmpty {
      guard offset.count >= count else { throw Failure(.badInput, "has too few numbers in Offset") }
      geometry.origin = Array(offset[..<count])
    }
    if !matrix.isEmpty {
      guard matrix.count >= count * count else { throw Failure(.badInput, "has too few numbers in TransformMatrix") }
      for row in 0..<count {
        for column in 0..<count { geometry.direction[row * count + column] = matrix[column * count + row] }
      }
    }
    // ITK keeps spacing positive and turns the axis instead.
    for axis in 0..<count where geometry.spacing[axis] < 0 {
      geometry.spacing[axis] = -geometry.spacing[axis]
      for row in 0..<count { geometry.direction[row * count + axis] = -geometry.direction[row * count + axis] }
    }
    return geometry
  }
}
