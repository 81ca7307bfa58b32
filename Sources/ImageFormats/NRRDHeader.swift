import Basics

/// The fields of a NRRD header that an image needs.
struct NRRDHeader {
  var type = ""
  var sizes: [Int] = []
  var encoding = EncodedVoxels.Encoding.raw
  var isBigEndian: Bool?
  var space = ""
  var spaceDimension = 0
  /// One vector an axis; nil where the axis is not spatial.
  var directions: [[Double]?]?
  var spaceOrigin: [Double]?
  var spacings: [Double] = []
  var axisMinimums: [Double] = []
  var kinds: [String] = []
  var centers: [String] = []
  var lineSkip = 0
  var byteSkip = 0
  var dataFiles: [String] = []
  /// Where attached data begin.
  var dataStart = 0

  /// Throws `badInput`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    var position = 0
    guard let magic = TextHeader.line(bytes, at: &position), magic.hasPrefix("NRRD000"), magic.count == 8 else {
      throw Failure(.badInput, "is not a NRRD file: it does not begin with NRRD000")
    }
    var dimension = 0
    while let line = TextHeader.line(bytes, at: &position) {
      if line.isEmpty { break }
      if line.hasPrefix("#") { continue }
      // "key:=value" is a remark for other programs; "field: value" is ours.
      guard let colon = line.firstIndex(of: ":") else { throw TextHeader.malformed("line", line) }
      let rest = line[line.index(after: colon)...]
      if rest.hasPrefix("=") { continue }
      let field = TextHeader.trimmed(line[..<colon]).asciiLowercased
      let value = TextHeader.trimmed(rest)
      if field == "dimension" {
        guard let number = Int(value), (1...16).contains(number) else { throw TextHeader.malformed(field, value) }
        dimension = number
      } else if field == "data file" || field == "datafile" {
        if try readDataFiles(value, bytes, &position) { break }
      } else {
        try set(field, value)
      }
    }
    dataStart = position
    guard sizes.count == dimension, dimension > 0 else {
      throw Failure(.badInput, "has \(sizes.count) sizes for \(dimension) dimensions")
    }
    for (name, count) in [
      ("space directions", directions?.count), ("spacings", spacings.count), ("kinds", kinds.count),
      ("centers", centers.count), ("axis mins", axisMinimums.count),
    ] {
      if let count, count != 0, count != dimension {
        throw Failure(.badInput, "has \(count) \(name) for \(dimension) dimensions")
      }
    }
  }

  private mutating func set(_ field: String, _ value: String) throws {
    switch field {
    case "type": type = value.asciiLowercased
    case "sizes": sizes = try TextHeader.integers(value, field)
    case "encoding": encoding = try Self.encoding(value.asciiLowercased)
    case "endian": isBigEndian = try Self.isBig(value.asciiLowercased)
    case "space":
      space = value.asciiLowercased
      spaceDimension = space.hasSuffix("time") || space.count == 4 ? 4 : 3
    case "space dimension":
      guard let number = Int(value), (1...8).contains(number) else { throw TextHeader.malformed(field, value) }
      spaceDimension = number
    case "space directions":
      let vectors = try Self.vectors(value, field)
      guard !vectors.isEmpty else { throw TextHeader.malformed(field, value) }
      directions = vectors
    case "space origin":
      guard let origin = try Self.vectors(value, field).first, let origin else {
        throw TextHeader.malformed(field, value)
      }
      spaceOrigin = origin
    case "spacings": spacings = try TextHeader.numbers(value, field)
    case "axis mins", "axismins": axisMinimums = try TextHeader.numbers(value, field)
    case "kinds": kinds = TextHeader.words(value).map(\.asciiLowercased)
    case "centers", "centerings": centers = TextHeader.words(value).map(\.asciiLowercased)
    case "line skip", "lineskip":
      guard let number = Int(value), (0...1_000_000).contains(number) else { throw TextHeader.malformed(field, value) }
      lineSkip = number
    case "byte skip", "byteskip":
      guard let number = Int(value), number >= -1 else { throw TextHeader.malformed(field, value) }
      byteSkip = number
    default: break  // Measurement frame, thicknesses, labels, units, content: nothing that places a voxel.
    }
  }

  /// Whether the header ends here, which it does after "LIST".
  private mutating func readDataFiles(
    _ value: String, _ bytes: UnsafeRawBufferPointer, _ position: inout Int
  ) throws -> Bool {
    if value.hasPrefix("LIST") {
      while let name = TextHeader.line(bytes, at: &position) {
        if !name.isEmpty { dataFiles.append(name) }
      }
      return true
    }
    if value.contains("%") { throw Failure(.badInput, "names its data files by a pattern, which is not supported") }
    dataFiles = [value]
    return false
  }

  private static func encoding(_ text: String) throws -> EncodedVoxels.Encoding {
    switch text {
    case "raw": .raw
    case "gz", "gzip": .gzip
    case "txt", "text", "ascii": .text
    case "hex": .hexadecimal
    default: throw Failure(.badInput, "has voxels in the encoding \"\(text.prefix(20))\", which is not supported")
    }
  }

  private static func isBig(_ text: String) throws -> Bool {
    guard text == "big" || text == "little" else { throw TextHeader.malformed("endian", text) }
    return text == "big"
  }

  /// "(1,0,0) none (0,1,0)"
  private static func vectors(_ text: String, _ field: String) throws -> [[Double]?] {
    var vectors: [[Double]?] = []
    var rest = Substring(text)
    while let first = rest.first {
      if first == "(" {
        guard let end = rest.firstIndex(of: ")") else { throw TextHeader.malformed(field, text) }
        let inside = rest[rest.index(after: rest.startIndex)..<end]
        let numbers = try inside.split(separator: ",").map {
          guard let value = Double(TextHeader.trimmed($0)) else { throw TextHeader.malformed(field, text) }
          return value
        }
        // A vector of NaN says the same as "none".
        vectors.append(numbers.allSatisfy(\.isNaN) ? nil : numbers)
        rest = rest[rest.index(after: end)...]
      } else if rest.hasPrefix("none") {
        vectors.append(nil)
        rest = rest.dropFirst(4)
      } else if first == " " || first == "\t" {
        rest = rest.dropFirst()
      } else {
        throw TextHeader.malformed(field, text)
      }
    }
    return vectors
  }
}
