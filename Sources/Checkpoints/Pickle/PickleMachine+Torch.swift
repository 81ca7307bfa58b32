import Basics

extension PickleMachine {
  /// BINPERSID: PyTorch's ("storage", type, key, location, count[, view]).
  func persistent(_ id: PickleItem) throws -> PickleItem {
    guard allowsStorages else { throw Failure(.badInput, "refers to data outside the file, which is not supported") }
    guard let parts = id.sequence, parts.count >= 5, parts[0].string == "storage", let type = parts[1].global,
      let key = parts[2].string, let count = parts[4].int, count >= 0
    else { throw Failure(.badInput, "refers to its tensors in an unknown way") }
    guard ["torch", "torch.cuda", "torch.storage"].contains(type.module), type.name.hasSuffix("Storage") else {
      throw Failure(.badInput, "holds tensors of the unknown type \(type)")
    }
    var reference = StorageReference(key: key, elementType: Self.elementType(storage: type.name), count: count)
    if parts.count > 5, let view = parts[5].sequence {
      // (key of the view, first element, number of elements): written before 2017.
      guard view.count == 3, let start = view[1].int, let size = view[2].int, start >= 0, size >= 0,
        start <= count, size <= count - start
      else { throw Self.malformed }
      reference.start = start
      reference.count = size
    }
    return try node(.storage(reference))
  }

  /// Nil for storages that Microtome does not compute with.
  private static func elementType(storage name: String) -> Tensor.ElementType? {
    switch name {
    case "DoubleStorage": .float64
    case "FloatStorage": .float32
    case "HalfStorage": .float16
    case "BFloat16Storage": .bfloat16
    case "LongStorage": .int64
    case "IntStorage": .int32
    case "ShortStorage": .int16
    case "CharStorage": .int8
    case "ByteStorage", "UntypedStorage": .uint8
    case "BoolStorage": .bool
    default: nil
    }
  }

  /// Constructors of `torch`, `torch._utils` and `torch._tensor`; nil for others.
  func callTorch(_ global: PickleGlobal, _ arguments: [PickleItem]) throws -> PickleItem? {
    switch global.description {
    case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
      return try rebuildTensor(global, arguments, type: nil, metadata: arguments.count > 6 ? arguments[6] : nil)
    case "torch._utils._rebuild_tensor_v3":
      guard arguments.count >= 7, let type = arguments[6].global, type.module == "torch" else { throw Self.malformed }
      guard let type = Tensor.ElementType(rawValue: type.name) else { return nil }
      return try rebuildTensor(global, arguments, type: type, metadata: arguments.count > 7 ? arguments[7] : nil)
    case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
      guard let tensor = arguments.first else { throw Self.malformed }
      return tensor
    case "torch._tensor._rebuild_from_type_v2":
      // (function, type, arguments, attributes): a tensor that carries Python attributes.
      guard arguments.count >= 3, let function = arguments[0].global, let inner = arguments[2].sequence,
        function.module == "torch._utils"
      else { return nil }
      return try callTorch(function, inner)
    case "torch.Size":
      guard let sizes = arguments.first?.sequence else { throw Self.malformed }
      try spend(sizes.count * MemoryLayout<PickleItem>.stride)
      return try node(.tuple, sizes)
    case "torch.device":
      guard let kind = arguments.first?.string else { throw Self.malformed }
      guard arguments.count > 1, let number = arguments[1].int else { return .string(kind) }
      return .string("\(kind):\(number)")
    default: return nil
    }
  }

  /// (storage, offset, sizes, strides, ...). Whether the view fits is checked when its bytes have been found.
  private func rebuildTensor(
    _ global: PickleGlobal, _ arguments: [PickleItem], type: Tensor.ElementType?, metadata: PickleItem?
  ) throws -> PickleItem? {
    guard arguments.count >= 4, case .storage(let storage)? = arguments[0].node?.kind,
      let offset = arguments[1].int, let shape = arguments[2].ints, let strides = arguments[3].ints
    else { throw Self.malformed }
    // Metadata say that the values are to be conjugated or negated on reading, which no trained parameter is.
    if let metadata = metadata?.node, !metadata.items.isEmpty { return nil }
    guard let type = type ?? storage.elementType else { return nil }
    return try node(.tensor(type, offset: offset, shape: shape, strides: strides), [arguments[0]])
  }
}
