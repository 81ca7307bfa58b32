/// A JSON document that keeps the order of object keys, which nnU-Net gives a meaning to (regions are numbered in it).
///
/// Python's `NaN`, `Infinity` and `-Infinity` are understood and written, as Python's `json` module does.
public indirect enum JSON: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  /// The value under `key` of an object; nil for other kinds and for absent keys.
  public subscript(key: String) -> JSON? {
    guard case .object(let object) = self else { return nil }
    return object[key]
  }

  public var isNull: Bool { self == .null }

  public var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// An integer, also when it is written as a float with no fraction.
  public var int: Int? {
    switch self {
    case .int(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }

  public var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }

  public var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  public var array: [JSON]? {
    guard case .array(let value) = self else { return nil }
    return value
  }

  public var object: JSONObject? {
    guard case .object(let value) = self else { return nil }
    return value
  }

  /// All elements as integers, or nil when this is not an array of integers.
  public var ints: [Int]? { array.flatMap { all($0.map(\.int)) } }
  /// All elements as numbers, or nil when this is not an array of numbers.
  public var doubles: [Double]? { array.flatMap { all($0.map(\.double)) } }
  /// All elements as strings, or nil when this is not an array of strings.
  public var strings: [String]? { array.flatMap { all($0.map(\.string)) } }
}

private func all<Value>(_ values: [Value?]) -> [Value]? {
  let present = values.compactMap { $0 }
  return present.count == values.count ? present : nil
}

/// The members of a JSON object in file order.
public struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  public private(set) var members: [(key: String, value: JSON)]
  private var positions: [String: Int]

  public init() {
    members = []
    positions = [:]
  }

  public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }

  /// Later members replace earlier ones of the same name, in their place.
  public init(_ elements: [(String, JSON)]) {
    self.init()
    for (key, value) in elements { self[key] = value }
  }

  public var keys: [String] { members.map(\.key) }
  public var count: Int { members.count }

  /// Setting an existing key keeps its place; a new key goes last; nil removes.
  public subscript(key: String) -> JSON? {
    get { positions[key].map { members[$0].value } }
    set {
      switch (positions[key], newValue) {
      case (let position?, let value?): members[position].value = value
      case (nil, let value?):
        positions[key] = members.count
        members.append((key, value))
      case (let position?, nil):
        members.remove(at: position)
        positions = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1.key, $0) })
      case (nil, nil): break
      }
    }
  }

  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members.count == right.members.count
      && zip(left.members, right.members).allSatisfy { $0.key == $1.key && $0.value == $1.value }
  }
}
