extension JSON {
  /// The document as text. `indent` spaces a level, as Python's `json.dump(indent:)` lays it out; nil for one line.
  public func text(indent: Int? = nil, sortedKeys: Bool = false) -> String {
    var out = ""
    write(to: &out, indent: indent, level: 0, sortedKeys: sortedKeys)
    return out
  }

  private func write(to out: inout String, indent: Int?, level: Int, sortedKeys: Bool) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .int(let value): out += String(value)
    case .double(let value):
      out += value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)"
    case .string(let value): out += Self.quoted(value)
    case .array(let items):
      Self.list(items.map { ("", $0) }, "[", "]", &out, indent, level, sortedKeys)
    case .object(let object):
      let members = sortedKeys ? object.members.sorted { $0.key < $1.key } : object.members
      Self.list(members.map { (Self.quoted($0.key) + ": ", $0.value) }, "{", "}", &out, indent, level, sortedKeys)
    }
  }

  private static func list(
    _ items: [(String, JSON)], _ open: String, _ close: String, _ out: inout String, _ indent: Int?, _ level: Int,
    _ sortedKeys: Bool
  ) {
    out += open
    for (number, (label, value)) in items.enumerated() {
      if number > 0 { out += indent == nil ? ", " : "," }
      if let indent { out += "\n" + String(repeating: " ", count: indent * (level + 1)) }
      out += label
      value.write(to: &out, indent: indent, level: level + 1, sortedKeys: sortedKeys)
    }
    if let indent, !items.isEmpty { out += "\n" + String(repeating: " ", count: indent * level) }
    out += close
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for unit in text.utf16 {
      switch unit {
      case 0x22: out += "\\\""
      case 0x5C: out += "\\\\"
      case 0x0A: out += "\\n"
      case 0x0D: out += "\\r"
      case 0x09: out += "\\t"
      case 0x20..<0x7F: out.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
      default:
        let digits = String(unit, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
    return out + "\""
  }
}
