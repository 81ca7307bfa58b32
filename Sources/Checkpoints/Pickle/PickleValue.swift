import Basics

/// What a Python pickle describes, as plain data: no Python object is ever made and nothing is ever called.
public indirect enum PickleValue: Sendable {
  case none
  case bool(Bool)
  case int(Int)
  /// An integer beyond 64 bits: two's complement, least significant byte first.
  case bigInteger([UInt8])
  case float(Double)
  case string(String)
  case bytes([UInt8])
  case list([PickleValue])
  case tuple([PickleValue])
  case set([PickleValue])
  case dictionary(PickleDictionary)
  /// A PyTorch tensor or a numeric NumPy array.
  case tensor(Tensor)
  /// A class or function that is mentioned but not called.
  case global(PickleGlobal)
  /// An instance of a class that Microtome does not know: its name and what the stream says about it.
  case object(PickleObject)

  public var isNone: Bool {
    if case .none = self { return true }
    return false
  }

  public var int: Int? {
    switch self {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  public var double: Double? {
    switch self {
    case .float(let value): value
    default: int.map(Double.init)
    }
  }

  public var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  /// The elements of a list or tuple.
  public var sequence: [PickleValue]? {
    switch self {
    case .list(let items), .tuple(let items): items
    default: nil
    }
  }

  public var dictionary: PickleDictionary? {
    guard case .dictionary(let value) = self else { return nil }
    return value
  }

  public var tensor: Tensor? {
    guard case .tensor(let value) = self else { return nil }
    return value
  }

  /// The value under a string key of a dictionary; nil for other kinds and for absent keys.
  public subscript(key: String) -> PickleValue? { dictionary?[key] }
}

/// A Python dictionary in insertion order.
public struct PickleDictionary: Sendable {
  public private(set) var entries: [(key: PickleValue, value: PickleValue)] = []
  private var positions: [PickleKey: Int] = [:]

  public init() {}

  /// Entries with names for keys; a repeated name takes the last value.
  public init(_ entries: [(String, PickleValue)]) {
    for (name, value) in entries { set(identity: .string(name), .string(name), value) }
  }

  public var count: Int { entries.count }

  public subscript(key: String) -> PickleValue? { positions[.string(key)].map { entries[$0].value } }

  public subscript(key: Int) -> PickleValue? { positions[.int(key)].map { entries[$0].value } }

  /// The string keys, in order.
  public var names: [String] { entries.compactMap(\.key.string) }

  /// Adds or replaces, as Python does: a replaced value keeps the place and the key of the first.
  ///
  /// Throws `badInput` when `key` is of a kind that cannot be a key.
  public mutating func set(_ key: PickleValue, _ value: PickleValue) throws {
    var budget = 256
    set(identity: try PickleKey(key, budget: &budget), key, value)
  }

  private mutating func set(identity: PickleKey, _ key: PickleValue, _ value: PickleValue) {
    if let position = positions[identity] {
      entries[position].value = value
    } else {
      positions[identity] = entries.count
      entries.append((key, value))
    }
  }
}

/// What makes two keys the same in Python: 1, 1.0 and True are one key.
private indirect enum PickleKey: Hashable {
  case none
  case int(Int)
  case float(Double)
  case string(String)
  case bytes([UInt8])
  case tuple([PickleKey])
  case global(PickleGlobal)

  /// `budget` limits the parts of nested tuples, which may share parts and so be exponentially large.
  init(_ value: PickleValue, budget: inout Int) throws {
    budget -= 1
    guard budget >= 0 else { throw Failure(.badInput, "is a pickle with an unreasonably large dictionary key") }
    switch value {
    case .none: self = .none
    case .bool(let value): self = .int(value ? 1 : 0)
    case .int(let value): self = .int(value)
    case .float(let value): self = Int(exactly: value).map { .int($0) } ?? .float(value)
    case .string(let value): self = .string(value)
    case .bytes(let value), .bigInteger(let value): self = .bytes(value)
    case .global(let value): self = .global(value)
    case .tuple(let items):
      var parts: [PickleKey] = []
      for item in items { parts.append(try PickleKey(item, budget: &budget)) }
      self = .tuple(parts)
    case .list, .set, .dictionary, .tensor, .object:
      throw Failure(.badInput, "is a pickle with a dictionary key of a kind that Python does not allow")
    }
  }
}

/// The name of a Python class or function.
public struct PickleGlobal: Sendable, Hashable, CustomStringConvertible {
  public var module: String
  public var name: String

  public init(_ module: String, _ name: String) {
    self.module = module
    self.name = name
  }

  public var description: String { "\(module).\(name)" }
}

/// An instance of a class outside the allow-list, kept as inert data.
public struct PickleObject: Sendable {
  public var type: PickleGlobal
  /// What the class or function would have been called with.
  public var arguments: [PickleValue]
  /// What `__setstate__` would have been given.
  public var state: PickleValue?
}
