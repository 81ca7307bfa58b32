import Basics

extension PickleValue {
  /// The value as JSON: tuples, sets and NumPy arrays become arrays, keys become strings as Python's `json` writes them.
  ///
  /// Bytes are read as Latin-1, and classes and unknown objects are represented by their qualified name. Throws
  /// `badInput` when shared parts make the document unreasonably large.
  public func json() throws -> JSON {
    // Parts may be shared, so that a small pickle can describe a document of any size.
    var budget = 4_000_000
    return try json(&budget)
  }

  private func json(_ budget: inout Int) throws -> JSON {
    budget -= 1
    guard budget >= 0 else { throw Failure(.badInput, "is a pickle that describes an unreasonably large document") }
    switch self {
    case .none: return .null
    case .bool(let value): return .bool(value)
    case .int(let value): return .int(value)
    case .bigInteger(let bytes): return .double(Self.double(ofInteger: bytes))
    case .float(let value): return .double(value)
    case .string(let value): return .string(value)
    case .bytes(let value): return .string(String(latin1: value))
    case .global(let global): return .string(global.description)
    case .object(let object): return .string(object.type.description)
    case .list(let items), .tuple(let items), .set(let items):
      var array: [JSON] = []
      array.reserveCapacity(items.count)
      for item in items { array.append(try item.json(&budget)) }
      return .array(array)
    case .dictionary(let dictionary):
      var object = JSONObject()
      for (key, value) in dictionary.entries { object[key.keyText] = try value.json(&budget) }
      return .object(object)
    case .tensor(let tensor):
      budget -= tensor.count
      guard budget >= 0 else { return try json(&budget) }
      return tensor.json()
    }
  }

  /// The key as `json.dump` would write it; tuples, which it refuses, as `str` does.
  private var keyText: String {
    switch self {
    case .none: "null"
    case .bool(let value): value ? "true" : "false"
    case .int(let value): String(value)
    case .bigInteger(let bytes): "\(Self.double(ofInteger: bytes))"
    case .float(let value): "\(value)"
    case .string(let value): value
    case .bytes(let value): String(latin1: value)
    case .global(let global): global.description
    case .object(let object): object.type.description
    case .tuple(let items), .list(let items), .set(let items):
      "(" + items.map(\.keyText).joined(separator: ", ") + (items.count == 1 ? ",)" : ")")
    case .dictionary, .tensor: ""
    }
  }

  private static func double(ofInteger bytes: [UInt8]) -> Double {
    guard let top = bytes.last else { return 0 }
    let low = bytes.dropLast().reversed().reduce(Double(Int8(bitPattern: top))) { $0 * 256 + Double($1) }
    return low
  }
}

extension Tensor {
  /// The elements as nested arrays; a number when there are no axes.
  func json() -> JSON {
    var next = 0
    let isBool = elementType == .bool
    let integers: [Int]? =
      switch elementType {
      case .float16, .bfloat16, .float32, .float64: nil
      default: try? self.integers()
      }
    let doubles = integers == nil ? self.doubles() : []
    func nested(_ axis: Int) -> JSON {
      guard axis < shape.count else {
        defer { next += 1 }
        guard let integers else { return .double(doubles[next]) }
        return isBool ? .bool(integers[next] != 0) : .int(integers[next])
      }
      return .array((0..<shape[axis]).map { _ in nested(axis + 1) })
    }
    return count == 0 ? .array([]) : nested(0)
  }
}

extension String {
  /// One character for each byte, as Python's "latin1" codec decodes.
  init(latin1 bytes: some Sequence<UInt8>) {
    self = String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
  }

  /// One byte for each character; nil when a character lies beyond U+00FF.
  var latin1: [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(utf8.count)
    for scalar in unicodeScalars {
      guard let byte = UInt8(exactly: scalar.value) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
