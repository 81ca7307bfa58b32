/// Goes through the tags of an XML document (w3.org/TR/xml) one after the other: enough for documents that programs write,
/// without entities of their own.
public struct XMLTags {
  /// A tag that begins or ends an element, or text between two, which may come in several pieces.
  public enum Item: Equatable {
    case begin(name: String, attributes: [String: String])
    /// Follows the beginning at once where one tag is both.
    case end(name: String)
    case text(String)
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var pendingEnd: String?

  /// The bytes must stay as long as this reads from them.
  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Of kind `badInput`.
  public static let damage = Failure(.badInput, "is damaged: it is not a complete XML document")

  /// The next item that is neither a comment nor meant for programs; nil at the end. Throws `badInput` for what is no XML.
  public mutating func next() throws -> Item? {
    if let name = pendingEnd {
      pendingEnd = nil
      return .end(name: name)
    }
    while position < bytes.count {
      guard bytes[position] == UInt8(ascii: "<") else { return .text(try text(upTo: "<", orEnd: true)) }
      if skips("<!--") {
        try pass("-->")
      } else if skips("<?") {
        try pass("?>")
      } else if skips("<![CDATA[") {
        let start = position
        try pass("]]>")
        return .text(String(decoding: bytes[start..<position - 3], as: UTF8.self))
      } else if skips("<!") {
        try pass(">")
      } else {
        return try tag()
      }
    }
    return nil
  }

  private mutating func tag() throws -> Item {
    position += 1
    if skips("/") {
      let name = name()
      skipSpace()
      guard !name.isEmpty, skips(">") else { throw Self.damage }
      return .end(name: name)
    }
    let name = name()
    guard !name.isEmpty else { throw Self.damage }
    var attributes: [String: String] = [:]
    while true {
      skipSpace()
      if skips(">") { break }
      if skips("/>") {
        pendingEnd = name
        break
      }
      let key = self.name()
      skipSpace()
      guard !key.isEmpty, skips("=") else { throw Self.damage }
      skipSpace()
      let quote: Unicode.Scalar = skips("\"") ? "\"" : "'"
      guard quote == "\"" || skips("'") else { throw Self.damage }
      attributes[key] = try text(upTo: quote, orEnd: false)
      position += 1
    }
    return .begin(name: name, attributes: attributes)
  }

  private mutating func name() -> String {
    let start = position
    while position < bytes.count, !Self.isSpace(bytes[position]),
      !"=/><\"'".utf8.contains(bytes[position])
    {
      position += 1
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// What comes before a character, with the characters that references stand for in their place.
  private mutating func text(upTo end: Unicode.Scalar, orEnd mayEnd: Bool) throws -> String {
    let start = position
    while position < bytes.count, bytes[position] != UInt8(ascii: end) { position += 1 }
    guard position < bytes.count || mayEnd else { throw Self.damage }
    var parts = String(decoding: bytes[start..<position], as: UTF8.self)
      .split(separator: "&", omittingEmptySubsequences: false)[...]
    var result = String(parts.removeFirst())
    for part in parts {
      guard let end = part.firstIndex(of: ";"), let character = Self.character(part[..<end]) else { throw Self.damage }
      result.unicodeScalars.append(character)
      result += part[end...].dropFirst()
    }
    return result
  }

  /// What a reference stands for: one of the five names that XML itself has, or the number of a character.
  private static func character(_ reference: Substring) -> Unicode.Scalar? {
    if reference.hasPrefix("#x") { return UInt32(reference.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init) }
    if reference.hasPrefix("#") { return UInt32(reference.dropFirst()).flatMap(Unicode.Scalar.init) }
    return ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"][reference]
  }

  private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

  private mutating func skipSpace() { while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 } }

  /// Goes behind `word` if it is what comes next.
  private mutating func skips(_ word: String) -> Bool {
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  /// Goes behind the next `word`. Throws when there is none.
  private mutating func pass(_ word: String) throws {
    while position < bytes.count {
      if skips(word) { return }
      position += 1
    }
    throw Self.damage
  }
}
