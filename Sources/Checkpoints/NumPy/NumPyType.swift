import Basics

/// A NumPy data type, as pickles and `.npy` headers spell it ("<f4").
struct NumPyType {
  enum Kind: Character {
    case boolean = "b"
    case integer = "i"
    case unsigned = "u"
    case float = "f"
    case unicode = "U"
    case byteString = "S"
    case object = "O"
    /// Structured, complex, dates.
    case other = "V"
  }

  var kind: Kind
  /// Bytes per element.
  var size: Int
  var isBigEndian = false

  /// Parses "f4" or "<f4"; anything unknown becomes `other`.
  init(_ code: String) {
    var rest = Substring(code)
    if let first = rest.first, "<>=|".contains(first) {
      isBigEndian = first == ">"
      rest.removeFirst()
    }
    kind = rest.popFirst().flatMap { $0 == "?" ? .boolean : Kind(rawValue: $0) } ?? .other
    let number = rest.isEmpty ? (kind == .boolean ? 1 : 0) : Int(rest) ?? -1
    size = kind == .unicode ? number.multipliedReportingOverflow(by: 4).partialValue : number
    if size < 0 || size > 1 << 30 { (kind, size) = (.other, 0) }
  }

  /// What BUILD adds: (version, byte order, ...).
  func applying(state: PickleItem) throws -> NumPyType {
    guard let parts = state.sequence, parts.count >= 5, let order = parts[1].string else {
      throw PickleMachine.malformed
    }
    var copy = self
    copy.isBigEndian = order == ">"
    // A type with fields is a structure.
    if case .none = parts[3] {} else { copy.kind = .other }
    return copy
  }

  var elementType: Tensor.ElementType? {
    switch (kind, size) {
    case (.float, 8): .float64
    case (.float, 4): .float32
    case (.float, 2): .float16
    case (.integer, 8): .int64
    case (.integer, 4): .int32
    case (.integer, 2): .int16
    case (.integer, 1): .int8
    case (.unsigned, 8): .uint64
    case (.unsigned, 4): .uint32
    case (.unsigned, 2): .uint16
    case (.unsigned, 1): .uint8
    case (.boolean, 1): .bool
    default: nil
    }
  }

  /// `bytes` with every element turned to little-endian.
  func littleEndian(_ bytes: [UInt8]) -> [UInt8] {
    guard isBigEndian, size > 1 else { return bytes }
    var out = bytes
    for start in stride(from: 0, to: bytes.count - bytes.count % size, by: size) {
      out[start..<start + size].reverse()
    }
    return out
  }

  /// `count` strings of fixed width, without the zeros that fill them up.
  func strings(_ bytes: [UInt8], count: Int) -> [String] {
    let bytes = kind == .unicode && isBigEndian ? NumPyType("i4", bigEndian: true).littleEndian(bytes) : bytes
    return (0..<count).map { index in
      let part = bytes[index * size..<(index + 1) * size]
      guard kind == .unicode else {
        let end = part.lastIndex { $0 != 0 }.map { $0 + 1 } ?? part.startIndex
        return String(latin1: part[part.startIndex..<end])
      }
      var scalars: [Unicode.Scalar] = stride(from: part.startIndex, to: part.endIndex, by: 4).map { at in
        let code = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
        return Unicode.Scalar(code) ?? "\u{FFFD}"
      }
      while scalars.last == "\0" { scalars.removeLast() }
      return String(String.UnicodeScalarView(scalars))
    }
  }

  private init(_ code: String, bigEndian: Bool) {
    self.init(code)
    isBigEndian = bigEndian
  }
}

extension Tensor.ElementType {
  /// As `.npy` headers spell it; nil for what NumPy does not know.
  var numPyCode: String? {
    switch self {
    case .float64: "<f8"
    case .float32: "<f4"
    case .float16: "<f2"
    case .int64: "<i8"
    case .int32: "<i4"
    case .int16: "<i2"
    case .int8: "|i1"
    case .uint64: "<u8"
    case .uint32: "<u4"
    case .uint16: "<u2"
    case .uint8: "|u1"
    case .bool: "|b1"
    case .bfloat16: nil
    }
  }
}
