import Basics

/// Which of the documents beside a network describes it.
extension ModelDescription {
  /// The document that describes a model: `<name>.json`, `<name>.ini`, or another one in the folder. Of those the first of
  /// these that exist, if there is only one of its kind: documents that name the file; documents that name it in another
  /// format; INI files made for another program's engine, whose name says nothing about the network's.
  ///
  /// Whether the document makes sense is found out when it is read. Throws `missingInput`, which says of each document in
  /// the folder why it was not taken.
  static func path(beside model: String) throws -> String {
    let (folder, name) = Path.split(model)
    let stem = stem(of: name)
    for candidate in [".json", ".ini"].map({ Path.join(folder, stem + $0) }) where Path.isFile(candidate) {
      return candidate
    }
    let others = ((try? Path.list(folder)) ?? []).filter { $0.hasSuffix(".json") || $0.hasSuffix(".ini") }
      .map { (name: $0, subject: subject(of: Path.join(folder, $0))) }
    let kinds: [(Subject) -> Bool] = [
      { $0 == .network(name) }, { $0.name.map(Self.stem) == stem },
      { if case .engine = $0 { true } else { false } },
    ]
    let found = kinds.lazy.map { fits in others.filter { fits($0.subject) } }.first { !$0.isEmpty } ?? []
    if let only = found.first, found.count == 1 { return Path.join(folder, only.name) }
    var message = "does not say how images are prepared for it, and nothing beside it does"
    var reasons = others.compactMap { other in other.subject.reason.map { "\(other.name) \($0)" } }
    if !found.isEmpty {
      message = "is described by several documents beside it"
      reasons = found.map { "\($0.name) \($0.subject.reason ?? "")" }
    }
    if !reasons.isEmpty {
      let more = reasons.count > 4 ? "; and \(reasons.count - 4) more" : ""
      message += ": " + reasons.prefix(4).joined(separator: "; ") + more
    }
    throw Failure(
      .missingInput, message, file: model,
      hint: found.isEmpty
        ? "put \(stem).json (patch_size, target_spacing, intensity_properties) or \(stem).ini beside it, or name the "
          + "document with --model-config"
        : "name the right one with --model-config")
  }

  /// What the network is called, in any format, that a document names; nil where it names none.
  static func networkName(in path: String) -> String? { subject(of: path).name.map(stem) }

  /// What a document is about, as far as it can be told without making sense of the rest.
  private enum Subject: Equatable {
    /// A network in a file of this name.
    case network(String)
    /// What another program has made of a network, in a file of this name.
    case engine(String)
    /// It is a description that names no file.
    case unnamed(key: String)
    /// It cannot be read.
    case damaged(String)
    /// Something else altogether.
    case other

    var name: String? {
      switch self {
      case .network(let name), .engine(let name): name
      case .unnamed, .damaged, .other: nil
      }
    }

    /// Why it is not taken, as the rest of a sentence; nil where nobody would expect it to be.
    var reason: String? {
      switch self {
      case .network(let name), .engine(let name): "describes \(name)"
      case .unnamed(let key): "does not say in \"\(key)\" which network it describes"
      case .damaged(let flaw): "cannot be read: \(flaw)"
      case .other: nil
      }
    }
  }

  private static func subject(of path: String) -> Subject {
    do {
      guard path.hasSuffix(".ini") else {
        let json = try JSON.read(path)
        if let name = ModelDescription(json: json).modelName { return .network(name) }
        return json["patch_size"] == nil ? .other : .unnamed(key: "model_path")
      }
      guard let file = try SettingsFile.read(path).modelFile else { return .unnamed(key: "file_name") }
      let name = Path.split(file).name
      return isForeign(name) ? .engine(name) : .network(name)
    } catch {
      return .damaged((error as? Failure)?.message ?? "\(error)")
    }
  }

  /// Whether a file's name is that of an engine of TensorRT, which FastnnUNet's settings always name.
  private static func isForeign(_ name: String) -> Bool {
    foreignEndings.contains(where: name.lowercased().hasSuffix)
  }

  private static let foreignEndings = [".trt", ".engine", ".plan"]

  /// The name of a file without what tells its format: a network that lies there as ONNX and for OpenVINO is one network.
  private static func stem(of name: String) -> String {
    let ending = (ExportedModel.endings + foreignEndings).first(where: name.lowercased().hasSuffix)
    return ending.map { String(name.dropLast($0.count)) } ?? name
  }
}
