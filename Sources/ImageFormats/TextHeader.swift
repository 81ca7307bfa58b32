import Basics

/// Lines and numbers of text headers.
enum TextHeader {
  /// The longest header that is looked at; real ones have a few hundred bytes.
  static let maximumSize = 1 << 20

  /// The line that starts at `position`, without its end (LF or CR LF); moves `position` behind it. Nil at the end.
  static func line(_ bytes: UnsafeRawBufferPointer, at position: inout Int) -> String? {
    let limit = min(bytes.count, maximumSize)
    guard position < limit else { return nil }
    let start = position
    while position < limit, bytes[position] != 0x0A { position += 1 }
    var end = position
    if position < limit { position += 1 }
    if end > start, bytes[end - 1] == 0x0D { end -= 1 }
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  static func trimmed(_ text: some StringProtocol) -> String {
    let scalars = text.unicodeScalars
    let isSpace: (Unicode.Scalar) -> Bool = { $0.value <= 0x20 }
    guard let first = scalars.firstIndex(where: { !isSpace($0) }) else { return "" }
    let last = scalars.lastIndex(where: { !isSpace($0) }) ?? first
    return String(text[first...last])
  }

  static func words(_ text: String) -> [String] {
    text.unicodeScalars.split { $0.value <= 0x20 }.map { String($0) }
  }

  /// Throws `badInput` when a word is no integer.
  static func integers(_ text: String, _ field: String) throws -> [Int] {
    try words(text).map {
      guard let value = Int($0) else { throw malformed(field, text) }
      return value
    }
  }

  /// Throws `badInput` when a word is no number.
  static func numbers(_ text: String, _ field: String) throws -> [Double] {
    try words(text).map {
      guard let value = Double($0) else { throw malformed(field, text) }
      return value
    }
  }

  static func malformed(_ field: String, _ text: String) -> Failure {
    Failure(.badInput, "has a malformed \"\(field)\" in its header: \"\(text.prefix(60))\"")
  }

  /// A number as C's `%.17g` prints it, which is what ITK writes.
  static func text(_ value: Double) -> String { formatted("%.17g", value) }
}
