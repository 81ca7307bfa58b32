import Basics

extension PickleMachine {
  /// Constructors of NumPy, in the spellings of versions 1 and 2; nil for others.
  func callNumPy(_ global: PickleGlobal, _ arguments: [PickleItem]) throws -> PickleItem? {
    switch global.name {
    case "dtype":
      guard let code = arguments.first?.string else { return nil }
      return try node(.dataType(NumPyType(code)))
    case "scalar":
      guard arguments.count == 2, let type = Self.type(arguments[0]) else { throw Self.malformed }
      if type.kind == .object { return arguments[1] }
      guard let bytes = arguments[1].content else { throw Self.malformed }
      try spend(bytes.count)
      return try scalar(type, bytes)
    case "_reconstruct": return try node(.array(NumPyType("V0"), shape: [], isFortranOrder: false))
    case "_frombuffer":
      // (content, type, shape, order)
      guard arguments.count >= 4, let type = Self.type(arguments[1]), let shape = arguments[2].ints,
        let order = arguments[3].string
      else { throw Self.malformed }
      try spend(Self.cost(arguments[0]))
      return try node(.array(type, shape: shape, isFortranOrder: order == "F"), [arguments[0]])
    default: return nil
    }
  }

  private static func type(_ item: PickleItem) -> NumPyType? {
    guard case .dataType(let type)? = item.node?.kind else { return nil }
    return type
  }

  private func scalar(_ type: NumPyType, _ bytes: [UInt8]) throws -> PickleItem? {
    guard bytes.count == type.size else { throw Self.malformed }
    if type.kind == .unicode || type.kind == .byteString {
      guard let text = type.strings(bytes, count: 1).first else { throw Self.malformed }
      return .string(text)
    }
    guard let elementType = type.elementType else { return nil }
    let tensor = try Tensor(elementType: elementType, shape: [], storage: TensorStorage(type.littleEndian(bytes)))
    switch elementType {
    case .bool: return .bool(tensor.doubles()[0] != 0)
    case .float16, .bfloat16, .float32, .float64: return .float(tensor.doubles()[0])
    default:
      guard let value = try? tensor.integers().first else { return .float(tensor.doubles()[0]) }
      return .int(value)
    }
  }

  /// The state of an array: (version, shape, type, isFortranOrder, content).
  func fill(_ array: PickleNode, _ state: PickleItem) throws {
    guard let parts = state.sequence, parts.count == 5, let shape = parts[1].ints, let type = Self.type(parts[2]),
      let isFortranOrder = parts[3].int
    else { throw Self.malformed }
    try spend(Self.cost(parts[4]))
    array.kind = .array(type, shape: shape, isFortranOrder: isFortranOrder != 0)
    array.items = [parts[4]]
  }

  /// What an array with this content will occupy, in bytes: it has a copy of its own.
  private static func cost(_ content: PickleItem) -> Int {
    switch content {
    case .bytes(let bytes): bytes.count
    case .stored(let storage): storage.bytes.count
    case .string(let text): text.utf8.count
    case .node(let node): node.items.count * MemoryLayout<PickleValue>.stride
    default: 0
    }
  }
}
