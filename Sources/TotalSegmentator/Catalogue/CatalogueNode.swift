import Basics

/// A value of a catalogue's JSON that knows where it stands, so that every complaint names the file and the key.
struct CatalogueNode {
  let file: String
  /// As `tasks.liver.fast.spacing`; empty for the document.
  let key: String
  let value: JSON

  init(file: String, document: JSON) {
    self.init(file: file, key: "", value: document)
  }

  private init(file: String, key: String, value: JSON) {
    (self.file, self.key, self.value) = (file, key, value)
  }

  /// `badInput` at this place.
  func wrong(_ what: String, hint: String? = nil) -> Failure {
    Failure(.badInput, key.isEmpty ? what : "\(key): \(what)", file: file, hint: hint)
  }

  /// The members of an object. Throws `badInput` for other values and, when `known` is given, for other keys.
  func members(known: [String]? = nil) throws -> [(name: String, node: CatalogueNode)] {
    guard let object = value.object else { throw wrong("an object {...} was expected") }
    if let known, let other = object.keys.first(where: { !known.contains($0) }) {
      throw wrong(
        "the key \"\(other)\" means nothing here",
        hint: Spelling.suggestion(for: other, in: known) ?? "keys are \(known.joined(separator: ", "))")
    }
    return object.members.map { ($0.key, child($0.key, $0.value)) }
  }

  /// The member called `name`, or nil.
  subscript(name: String) -> CatalogueNode? { value[name].map { child(name, $0) } }

  /// The member called `name`; throws `badInput` when there is none.
  func required(_ name: String) throws -> CatalogueNode {
    guard let node = self[name] else { throw wrong("the key \"\(name)\" is missing") }
    return node
  }

  /// The elements of a list.
  func elements() throws -> [CatalogueNode] {
    guard let array = value.array else { throw wrong("a list [...] was expected") }
    return array.enumerated().map { CatalogueNode(file: file, key: "\(key)[\($0)]", value: $1) }
  }

  /// A string that is not empty.
  func string() throws -> String {
    guard let text = value.string, !text.isEmpty else { throw wrong("a text was expected") }
    return text
  }

  /// A string that can be part of a file's name.
  func name() throws -> String {
    let text = try string()
    guard !text.contains("/"), !text.hasPrefix("."), !text.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
      throw wrong("\"\(text)\" cannot be part of a file name")
    }
    return text
  }

  func bool() throws -> Bool {
    guard let flag = value.bool else { throw wrong("true or false was expected") }
    return flag
  }

  func integer(_ range: ClosedRange<Int>) throws -> Int {
    guard let number = value.int, range.contains(number) else {
      throw wrong("a whole number from \(range.lowerBound) to \(range.upperBound) was expected")
    }
    return number
  }

  /// A number above zero, or also zero itself.
  func length(orZero: Bool = false) throws -> Double {
    guard let number = value.double, number.isFinite, number > 0 || orZero && number == 0 else {
      throw wrong("a number \(orZero ? "of at least" : "above") 0 was expected")
    }
    return number
  }

  /// One of the raw values of `Choice`.
  func choice<Choice: RawRepresentable<String> & CaseIterable>(_: Choice.Type) throws -> Choice {
    guard let choice = value.string.flatMap(Choice.init(rawValue:)) else {
      let allowed = Choice.allCases.map { "\"\($0.rawValue)\"" }
      throw wrong("one of \(allowed.joined(separator: ", ")) was expected")
    }
    return choice
  }

  /// A list of different names.
  func names() throws -> [String] {
    var seen = Set<String>()
    return try elements().map { element in
      let name = try element.name()
      guard seen.insert(name).inserted else { throw element.wrong("\(name) occurs twice") }
      return name
    }
  }

  private func child(_ name: String, _ value: JSON) -> CatalogueNode {
    CatalogueNode(file: file, key: key.isEmpty ? name : "\(key).\(name)", value: value)
  }
}
