import Basics

/// A trained network as nnU-Net v2, nnU-Net v1 or plain PyTorch stores it: weights, and what training said about them.
public struct TorchCheckpoint: Sendable {
  /// Everything the file holds.
  public let root: PickleValue
  /// The weights under their names in the file, less the prefixes of wrappers (`module.`, `_orig_mod.`). Parameters
  /// that nnU-Net registers several times are listed under every name; see `StateDictionary.canonical`.
  public let networkWeights: StateDictionary

  /// Reads the checkpoint at `path`, in either container of PyTorch.
  ///
  /// Throws `missingInput`; `badInput` when the file is damaged, dangerous, not from PyTorch, or holds no weights.
  public static func open(_ path: String) throws -> TorchCheckpoint {
    try TorchCheckpoint(MappedFile(path: path))
  }

  init(_ file: MappedFile) throws {
    let root = try TorchFile.read(file)
    self.root = root
    networkWeights = try locating(file.path) { try Self.weights(in: root) }
  }

  /// The class of the nnU-Net v2 trainer; nil in other files.
  public var trainerName: String? { root["trainer_name"]?.string }

  /// The spatial axes that mirroring may use; nil when there are none, or the file (of an early version) does not say.
  public var mirroringAxes: [Int]? {
    guard let axes = root["inference_allowed_mirroring_axes"]?.sequence?.compactMap(\.int), !axes.isEmpty else {
      return nil
    }
    return axes
  }

  /// The nnU-Net v2 configuration ("3d_fullres"); nil in other files.
  public var configuration: String? { root["init_args"]?["configuration"]?.string }

  /// The fold the network was trained on: a number or "all"; nil in files that do not say.
  public var fold: String? {
    let fold = root["init_args"]?["fold"]
    return fold?.string ?? fold?.int.map { String($0) }
  }

  /// The plans the network was trained with, as in plans.json; nil in files without.
  public var plans: JSON? { json("plans") }

  /// The dataset description the network was trained with, as in dataset.json; nil in files without.
  public var datasetJSON: JSON? { json("dataset_json") }

  private func json(_ key: String) -> JSON? {
    guard let value = root["init_args"]?[key], !value.isNone else { return nil }
    return try? value.json()
  }

  /// The keys under which tools store a network's weights, nnU-Net v2 and v1 first.
  private static let weightKeys = ["network_weights", "state_dict", "model_state_dict", "model"]

  private static func weights(in root: PickleValue) throws -> StateDictionary {
    guard let dictionary = root.dictionary else {
      throw Failure(
        .badInput, "does not hold a dictionary of weights but \(root.kindName)",
        hint: "save the network's state_dict, not the network object")
    }
    for key in weightKeys {
      if let weights = dictionary[key]?.dictionary { return try stateDictionary(weights) }
    }
    // A bare state dictionary: names and tensors, nothing else.
    let tensors = dictionary.entries.count { $0.value.tensor != nil }
    guard tensors > 0, tensors == dictionary.count else {
      throw Failure(
        .badInput, "holds no network weights (keys: \(dictionary.names.prefix(8).joined(separator: ", ")))",
        hint: "expected an nnU-Net checkpoint (network_weights or state_dict) or a plain state_dict")
    }
    return try stateDictionary(dictionary)
  }

  /// The entries as tensors; every one must be one, whatever placeholders are tolerated elsewhere in the file.
  private static func stateDictionary(_ dictionary: PickleDictionary) throws -> StateDictionary {
    var weights = StateDictionary()
    for (key, value) in dictionary.entries {
      guard let name = key.string else {
        throw Failure(.badInput, "holds weights under a key that is not a name but \(key.kindName)")
      }
      guard let tensor = value.tensor else {
        throw Failure(.badInput, "holds \(value.kindName) under the name \(name) where a tensor is expected")
      }
      weights[name] = tensor
    }
    guard weights.count > 0 else { throw Failure(.badInput, "holds an empty set of network weights") }
    return try weights.strippingWrapperPrefixes()
  }
}

extension PickleValue {
  /// What kind of thing this is, for messages.
  var kindName: String {
    switch self {
    case .none: "None"
    case .bool: "a truth value"
    case .int, .bigInteger, .float: "a number"
    case .string: "text"
    case .bytes: "bytes"
    case .list: "a list"
    case .tuple: "a tuple"
    case .set: "a set"
    case .dictionary: "a dictionary"
    case .tensor: "a tensor"
    case .global(let global): "the name \(global)"
    case .object(let object): "an object of the unknown type \(object.type)"
    }
  }
}
