import Basics

extension PickleMachine {
  /// Resolves a name. Known and unknown names are fine as long as nothing dangerous can be meant by them.
  func lookUp(_ module: String, _ name: String) throws -> PickleGlobal {
    let global = PickleGlobal(module, name)
    guard !PickleThreats.isDangerous(global) else {
      throw Failure(
        .badInput, "asks to run \(global); Microtome never runs code from a data file",
        hint: "this is not an ordinary checkpoint; do not trust it")
    }
    try spend(module.utf8.count + name.utf8.count)
    return global
  }

  /// What a constructor on the allow-list makes of its arguments; a placeholder for every other name.
  func call(_ global: PickleGlobal, _ arguments: [PickleItem]) throws -> PickleItem {
    let result: PickleItem? =
      switch global.module {
      case "collections": try callCollections(global.name, arguments)
      case "builtins", "__builtin__": try callBuiltins(global.name, arguments)
      case "_codecs" where global.name == "encode": try encode(arguments)
      case "torch", "torch._utils", "torch._tensor": try callTorch(global, arguments)
      case "numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric":
        try callNumPy(global, arguments)
      case "copyreg" where global.name == "_reconstructor", "copy_reg" where global.name == "_reconstructor":
        // (class, base, state): the protocol 0 and 1 way to make an instance without calling its constructor.
        try arguments.first?.global.map { try node(.object($0), Array(arguments.dropFirst())) }
      default: nil
      }
    return try result ?? node(.object(global), arguments)
  }

  private func callCollections(_ name: String, _ arguments: [PickleItem]) throws -> PickleItem? {
    switch name {
    case "OrderedDict":
      // Python 2 gives all items as a list of pairs.
      var items: [PickleItem] = []
      for pair in arguments.first?.sequence ?? [] {
        guard let pair = pair.sequence, pair.count == 2 else { throw Self.malformed }
        items += pair
      }
      try spend(items.count * MemoryLayout<PickleItem>.stride)
      return try node(.dictionary, items)
    case "defaultdict": return try node(.dictionary)
    case "Counter":
      guard let counts = arguments.first?.node, case .dictionary = counts.kind else { return try node(.dictionary) }
      try spend(counts.items.count * MemoryLayout<PickleItem>.stride)
      return try node(.dictionary, counts.items)
    default: return nil
    }
  }

  private func callBuiltins(_ name: String, _ arguments: [PickleItem]) throws -> PickleItem? {
    switch (name, arguments.first) {
    case ("set", let items), ("frozenset", let items): return try copy(items, as: .set)
    case ("list", let items): return try copy(items, as: .list)
    case ("tuple", let items): return try copy(items, as: .tuple)
    case ("dict", nil): return try node(.dictionary)
    case ("bytes", nil), ("bytearray", nil): return .bytes([])
    case ("bytes", let value?), ("bytearray", let value?):
      guard case .bytes = value else { return nil }
      return value
    case ("int", .int(let value)?), ("long", .int(let value)?): return .int(value)
    case ("float", .float(let value)?): return .float(value)
    case ("bool", .bool(let value)?): return .bool(value)
    case ("str", .string(let value)?): return .string(value)
    default: return nil
    }
  }

  private func copy(_ items: PickleItem?, as kind: PickleNode.Kind) throws -> PickleItem? {
    guard let items else { return try node(kind) }
    guard let sequence = items.sequence else { return nil }
    try spend(sequence.count * MemoryLayout<PickleItem>.stride)
    return try node(kind, sequence)
  }

  /// `_codecs.encode(text, "latin1")`: how protocol 2 spells bytes.
  private func encode(_ arguments: [PickleItem]) throws -> PickleItem {
    guard let text = arguments.first?.string, arguments.count <= 2 else { throw Self.malformed }
    try spend(text.utf8.count)
    switch arguments.count == 2 ? arguments[1].string : "utf-8" {
    case "latin1"?, "latin-1"?, "iso-8859-1"?:
      guard let bytes = text.latin1 else { throw Self.malformed }
      return .bytes(bytes)
    case "utf-8"?, "utf8"?, "ascii"?: return .bytes(Array(text.utf8))
    default: throw Failure(.badInput, "holds a pickle with an unknown text encoding")
    }
  }

  /// BUILD: gives the object under the top of the stack its state.
  func build() throws {
    let state = try pop()
    guard let node = try top().node else { throw Self.malformed }
    switch node.kind {
    case .dataType(let type): node.kind = .dataType(try type.applying(state: state))
    case .array: try fill(node, state)
    case .object: node.state = state
    // An OrderedDict's `_metadata` and the Python attributes of tensors mean nothing here.
    case .dictionary, .list, .set, .tensor, .storage: break
    case .tuple: throw Self.malformed
    }
  }
}
