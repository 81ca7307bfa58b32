extension JSON {
  /// Parses a UTF-8 document. Throws `badInput` with the line of the first mistake.
  public init(parsing bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBufferPointer { buffer in
      var parser = JSONParser(bytes: buffer)
      return try parser.document()
    }
  }

  /// Reads and parses a file. Throws `missingInput` or `badInput`, naming the file.
  public static func read(_ path: String) throws -> JSON {
    try locating(path) { try JSON(parsing: Path.read(path)) }
  }
}

private struct JSONParser {
  let bytes: UnsafeBufferPointer<UInt8>
  var position = 0
  /// Documents nest deeper than this only to exhaust the stack.
  static let maximumDepth = 512

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  mutating func document() throws -> JSON {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    let value = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw mistake("unexpected text after the end of the document") }
    return value
  }

  private func mistake(_ what: String) -> Failure {
    let line = 1 + bytes[..<min(position, bytes.count)].count { $0 == UInt8(ascii: "\n") }
    return Failure(.badInput, "is not valid JSON: \(what) in line \(line)")
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func take(_ byte: Character) -> Bool {
    guard current == byte.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func take(word: String) -> Bool {
    let word = Array(word.utf8)
    guard position + word.count <= bytes.count, bytes[position..<position + word.count].elementsEqual(word) else {
      return false
    }
    position += word.count
    return true
  }

  private mutating func value(depth: Int) throws -> JSON {
    guard depth < Self.maximumDepth else { throw mistake("too many nested levels") }
    skipSpace()
    guard let byte = current else { throw mistake("the document ends early") }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t") where take(word: "true"): return .bool(true)
    case UInt8(ascii: "f") where take(word: "false"): return .bool(false)
    case UInt8(ascii: "n") where take(word: "null"): return .null
    case UInt8(ascii: "N") where take(word: "NaN"): return .double(.nan)
    case UInt8(ascii: "I") where take(word: "Infinity"): return .double(.infinity)
    case UInt8(ascii: "-") where take(word: "-Infinity"): return .double(-.infinity)
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws -> JSONObject {
    var object = JSONObject()
    position += 1
    skipSpace()
    if take("}") { return object }
    repeat {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw mistake("a key in quotes was expected") }
      let key = try string()
      skipSpace()
      guard take(":") else { throw mistake("':' was expected after the key \"\(key)\"") }
      object[key] = try value(depth: depth + 1)
      skipSpace()
    } while take(",")
    guard take("}") else { throw mistake("',' or '}' was expected") }
    return object
  }

  private mutating func array(depth: Int) throws -> [JSON] {
    var items: [JSON] = []
    position += 1
    skipSpace()
    if take("]") { return items }
    repeat {
      items.append(try value(depth: depth + 1))
      skipSpace()
    } while take(",")
    guard take("]") else { throw mistake("',' or ']' was expected") }
    return items
  }

  private mutating func number() throws -> JSON {
    let start = position
    var isInteger = true
    while let byte = current {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"): break
      case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isInteger = false
      default:
        return try literal(start, isInteger)
      }
      position += 1
    }
    return try literal(start, isInteger)
  }

  private func literal(_ start: Int, _ isInteger: Bool) throws -> JSON {
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .int(value) }
    guard !text.isEmpty, let value = Double(text) else { throw mistake("a value was expected") }
    return .double(value)
  }

  private mutating func string() throws -> String {
    position += 1
    var scalars: [UInt8] = []
    while let byte = current {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: scalars, as: UTF8.self) else { throw mistake("text that is not UTF-8") }
        return text
      case UInt8(ascii: "\\"): try escape(into: &scalars)
      case 0..<0x20: throw mistake("a control character inside a string")
      default: scalars.append(byte)
      }
    }
    throw mistake("a string without an end")
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    guard let byte = current else { throw mistake("a string without an end") }
    position += 1
    switch byte {
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xD800..<0xDC00).contains(code), take(word: "\\u") {
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw mistake("half a surrogate pair") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw mistake("half a surrogate pair") }
      text.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: throw mistake("an unknown escape")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard position + 4 <= bytes.count,
      let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw mistake("four hexadecimal digits were expected after \\u") }
    position += 4
    return code
  }
}
