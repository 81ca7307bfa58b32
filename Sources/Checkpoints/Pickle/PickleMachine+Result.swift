import Basics

/// Turns what the machine has built into plain values, and finds the bytes of tensors.
///
/// Every node is converted once, however often it is referred to. Values that contain themselves, which plain data
/// cannot express, and values nested too deep are refused.
struct PickleResult {
  /// Finds the bytes of a storage in the file.
  let storage: (StorageReference) throws -> TensorStorage
  private var finished: [ObjectIdentifier: PickleValue] = [:]
  private var underway: Set<ObjectIdentifier> = []

  /// JSON documents and checkpoints nest a dozen levels.
  private static let maximumDepth = 128

  init(storage: @escaping (StorageReference) throws -> TensorStorage) { self.storage = storage }

  /// The plain value of `item`. Throws `badInput`.
  mutating func value(_ item: PickleItem) throws -> PickleValue {
    switch item {
    case .none: return .none
    case .bool(let value): return .bool(value)
    case .int(let value): return .int(value)
    case .bigInteger(let value): return .bigInteger(value)
    case .float(let value): return .float(value)
    case .string(let value): return .string(value)
    case .bytes(let value): return .bytes(value)
    case .stored(let storage): return .bytes(withExtendedLifetime(storage) { Array(storage.bytes) })
    case .global(let value): return .global(value)
    case .node(let node):
      let identity = ObjectIdentifier(node)
      if let value = finished[identity] { return value }
      guard underway.count < Self.maximumDepth else {
        throw Failure(.badInput, "holds a pickle that is nested too deeply", hint: "do not trust this file")
      }
      guard underway.insert(identity).inserted else {
        throw Failure(.badInput, "holds a pickle with an object that contains itself")
      }
      let value = try value(node)
      underway.remove(identity)
      finished[identity] = value
      return value
    }
  }

  private mutating func value(_ node: PickleNode) throws -> PickleValue {
    switch node.kind {
    case .list: return .list(try values(node.items))
    case .tuple: return .tuple(try values(node.items))
    case .set: return .set(try values(node.items))
    case .dictionary:
      var dictionary = PickleDictionary()
      for position in stride(from: 0, to: node.items.count - 1, by: 2) {
        try dictionary.set(try value(node.items[position]), try value(node.items[position + 1]))
      }
      return .dictionary(dictionary)
    case .object(let type):
      return .object(
        PickleObject(type: type, arguments: try values(node.items), state: try node.state.map { try value($0) }))
    case .storage(let reference):
      guard let type = reference.elementType else {
        return .object(PickleObject(type: PickleGlobal("torch", "Storage"), arguments: [], state: nil))
      }
      return .tensor(
        try Tensor(
          elementType: type, shape: [reference.count], storage: try storage(reference), offset: reference.start))
    case .tensor(let type, let offset, let shape, let strides):
      return .tensor(try tensor(node, type, offset, shape, strides))
    case .dataType(let type): return .string("\(type.kind.rawValue)\(type.size)")
    case .array(let type, let shape, let isFortranOrder): return try array(node, type, shape, isFortranOrder)
    }
  }

  private mutating func values(_ items: [PickleItem]) throws -> [PickleValue] {
    var values: [PickleValue] = []
    values.reserveCapacity(items.count)
    for item in items { values.append(try value(item)) }
    return values
  }

  private func tensor(
    _ node: PickleNode, _ type: Tensor.ElementType, _ offset: Int, _ shape: [Int], _ strides: [Int]
  ) throws -> Tensor {
    guard case .storage(let reference)? = node.items.first?.node?.kind else { throw PickleMachine.malformed }
    let (start, overflow) = offset.addingReportingOverflow(reference.start)
    guard !overflow, offset >= 0 else { throw PickleMachine.malformed }
    return try Tensor(
      elementType: type, shape: shape, strides: strides, storage: try storage(reference), offset: start)
  }

  private mutating func array(
    _ node: PickleNode, _ type: NumPyType, _ shape: [Int], _ isFortranOrder: Bool
  ) throws -> PickleValue {
    guard let count = checkedProduct(shape) else { throw PickleMachine.malformed }
    let strides =
      isFortranOrder ? Tensor.contiguousStrides(shape.reversed()).reversed() : Tensor.contiguousStrides(shape)
    guard let content = node.items.first else { throw PickleMachine.malformed }
    guard type.elementType != nil || shape.count <= 8 else { throw PickleMachine.unreasonable }
    if type.kind == .object, let items = content.sequence {
      guard items.count == count else { throw PickleMachine.malformed }
      return count == 0 ? .list([]) : Self.nested(try values(items)[...], shape[...], strides[...])
    }
    if case .stored(let storage) = content, let elementType = type.elementType, !type.isBigEndian || type.size == 1 {
      guard storage.bytes.count == type.size.multipliedReportingOverflow(by: count).partialValue else {
        throw PickleMachine.malformed
      }
      return .tensor(try Tensor(elementType: elementType, shape: shape, strides: strides, storage: storage))
    }
    guard let bytes = content.content, bytes.count == type.size.multipliedReportingOverflow(by: count).partialValue,
      type.size > 0 || count == 0
    else { throw PickleMachine.malformed }
    if type.kind == .unicode || type.kind == .byteString {
      let strings = type.strings(bytes, count: count).map { PickleValue.string($0) }
      return count == 0 ? .list([]) : Self.nested(strings[...], shape[...], strides[...])
    }
    guard let elementType = type.elementType else {
      return .object(PickleObject(type: PickleGlobal("numpy", "ndarray"), arguments: [], state: nil))
    }
    guard shape.allSatisfy({ $0 > 0 }) else {
      return .tensor(try Tensor(elementType: elementType, shape: shape, storage: TensorStorage([])))
    }
    return .tensor(
      try Tensor(
        elementType: elementType, shape: shape, strides: strides, storage: TensorStorage(type.littleEndian(bytes))))
  }

  /// Nested lists of the elements of an array that has at least one.
  private static func nested(
    _ items: ArraySlice<PickleValue>, _ shape: ArraySlice<Int>, _ strides: ArraySlice<Int>
  ) -> PickleValue {
    guard let size = shape.first, let stride = strides.first else { return items[items.startIndex] }
    return .list(
      (0..<size).map { nested(items[(items.startIndex + $0 * stride)...], shape.dropFirst(), strides.dropFirst()) })
  }
}
