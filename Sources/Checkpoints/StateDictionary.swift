import Basics

/// Named tensors in the order of their file: what PyTorch calls a `state_dict`.
public struct StateDictionary: Sendable {
  public private(set) var names: [String] = []
  public private(set) var tensors: [String: Tensor] = [:]

  public init() {}

  public var count: Int { names.count }

  /// Setting an existing name keeps its place; a new name goes last; nil removes.
  public subscript(name: String) -> Tensor? {
    get { tensors[name] }
    set {
      let isKnown = tensors[name] != nil
      tensors[name] = newValue
      if newValue == nil {
        if isKnown { names.removeAll { $0 == name } }
      } else if !isKnown {
        names.append(name)
      }
    }
  }

  /// Reads named tensors from a PyTorch file of either container or from a safetensors file, whichever the content
  /// says it is. In a training checkpoint these are the network's weights.
  ///
  /// Throws `missingInput`, and `badInput` for damaged files and for files without named tensors.
  public static func open(_ path: String) throws -> StateDictionary {
    let file = try MappedFile(path: path)
    return try locating(path) {
      SafetensorsFile.hasMagic(file.bytes)
        ? try SafetensorsFile.read(file) : try TorchCheckpoint(file).networkWeights
    }
  }

  /// The same tensors without the name prefixes that wrappers add: a leading `module.` (data parallel training) and
  /// any `_orig_mod.` (`torch.compile`). Throws `badInput` when two names become one.
  public func strippingWrapperPrefixes() throws -> StateDictionary {
    guard names.contains(where: { $0.hasPrefix("module.") || $0.hasComponent("_orig_mod") }) else { return self }
    var result = StateDictionary()
    for name in names {
      var components = name.split(separator: ".", omittingEmptySubsequences: false).filter { $0 != "_orig_mod" }
      while components.count > 1, components.first == "module" { components.removeFirst() }
      let stripped = components.joined(separator: ".")
      guard result[stripped] == nil else {
        throw Failure(.badInput, "holds two tensors that are both called \(stripped)")
      }
      result[stripped] = tensors[name]
    }
    return result
  }

  /// One name for each parameter of an nnU-Net v2 network, which registers its encoder again below the decoder
  /// (`decoder.encoder.`) and every layer again below `all_modules`.
  public var canonical: StateDictionary {
    var result = StateDictionary()
    for name in names where !name.hasPrefix("decoder.encoder.") && !name.hasComponent("all_modules") {
      result[name] = tensors[name]
    }
    return result
  }

  /// The number of different storages behind the tensors; parameters with several names count once.
  public var storageCount: Int { Set(tensors.values.map { ObjectIdentifier($0.storage) }).count }
}

extension String {
  /// Whether one of the parts between dots is `component`.
  fileprivate func hasComponent(_ component: String) -> Bool {
    utf8.split(separator: UInt8(ascii: ".")).contains { $0.elementsEqual(component.utf8) }
  }
}
