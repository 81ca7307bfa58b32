/// A value of a JSON document that knows where it stands, so that every complaint names the file and the key.
///
/// Every function throws `badInput` when the value is not what was expected.
public struct LocatedJSON: Sendable {
  public let file: String
  /// As `tasks.liver.fast.spacing`; empty for the document.
  public let key: String
  public let value: JSON

  /// A whole document.
  public init(file: String, document: JSON) {
    self.init(file: file, key: "", value: document)
  }

  private init(file: String, key: String, value: JSON) {
    (self.file, self.key, self.value) = (file, key, value)
  }

  /// `badInput` at this place.
  public func wrong(_ what: String, hint: String? = nil) -> Failure {
    Failure(.badInput, key.isEmpty ? what : "\(key): \(what)", file: file, hint: hint)
  }

  /// The members of an object. Throws `badInput` for other values and, when `known` is given, for other keys.
  public func members(known: [String]? = nil) throws -> [(name: String, node: LocatedJSON)] {
    guard let object = value.object else { throw wrong("an object {...} was expected") }
    if let known, let other = object.keys.first(where: { !known.contains($0) }) {
      throw wrong(
        "the key \"\(other)\" means nothing here",
        hint: Spelling.suggestion(for: other, in: known) ?? "keys are \(known.joined(separator: ", "))")
    }
    return object.members.map { ($0.key, child($0.key, $0.value)) }
  }

  /// The member called `name`, or nil.
  public subscript(name: String) -> LocatedJSON? { value[name].map { child(name, $0) } }

  /// The member called `name`; throws `badInput` when there is none.
  public func required(_ name: String) throws -> LocatedJSON {
    guard let node = self[name] else { throw wrong("the key \"\(name)\" is missing") }
    return node
  }

  /// The elements of a list.
  public func elements() throws -> [LocatedJSON] {
    guard let array = value.array else { throw wrong("a list [...] was expected") }
    return array.enumerated().map { LocatedJSON(file: file, key: "\(key)[\($0)]", value: $1) }
  }

  /// A string that is not empty.
  public func string() throws -> String {
    guard let text = value.string, !text.isEmpty else { throw wrong("a text was expected") }
    return text
  }

  /// A string that can be part of a file's name.
  public func name() throws -> String {
    let text = try string()
    guard !text.contains("/"), !text.hasPrefix("."), !text.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
      throw wrong("\"\(text)\" cannot be part of a file name")
    }
    return text
  }

  /// True or false.
  public func bool() throws -> Bool {
    guard let flag = value.bool else { throw wrong("true or false was expected") }
    return flag
  }

  /// A whole number of a range.
  public func integer(_ range: ClosedRange<Int>) throws -> Int {
    guard let number = value.int, range.contains(number) else {
      throw wrong("a whole number from \(range.lowerBound) to \(range.upperBound) was expected")
    }
    return number
  }

  /// A number above zero, or also zero itself.
  public func length(orZero: Bool = false) throws -> Double {
    guard let number = value.double, number.isFinite, number > 0 || orZero && number == 0 else {
      throw wrong("a number \(orZero ? "of at least" : "above") 0 was expected")
    }
    return number
  }

  /// One of the raw values of `Choice`.
  public func choice<Choice: RawRepresentable<String> & CaseIterable>(_: Choice.Type) throws -> Choice {
    guard let choice = value.string.flatMap(Choice.init(rawValue:)) else {
      let allowed = Choice.allCases.map { "\"\($0.rawValue)\"" }
      throw wrong("one of \(allowed.joined(separator: ", ")) was expected")
    }
    return choice
  }

  /// A list of different names.
  public func names() throws -> [String] {
    var seen = Set<String>()
    return try elements().map { element in
      let name = try element.name()
      guard seen.insert(name).inserted else { throw element.wrong("\(name) occurs twice") }
      return name
    }
  }

  private func child(_ name: String, _ value: JSON) -> LocatedJSON {
    LocatedJSON(file: file, key: key.isEmpty ? name : "\(key).\(name)", value: value)
  }
}
