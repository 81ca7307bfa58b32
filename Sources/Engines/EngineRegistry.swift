import Basics

/// Finds the engines this machine has.
public struct EngineRegistry: Sendable {
  public var search: EngineSearch

  public init(search: EngineSearch = EngineSearch()) { self.search = search }

  /// What `microtome engines` shows.
  public struct Entry: Sendable {
    public var name: String
    /// The library in use; nil for an engine that needs none.
    public var path: String?
    public var version: String
    public var devices: [String]
  }

  /// Names that `engine(named:)` takes.
  public static let names = ["native", "openvino", "onnxruntime", "torch", "reference"]

  /// Every engine that can be used. Trying all devices takes up to a second.
  public func entries() -> [Entry] {
    var entries: [Entry] = []
    if let engine = try? openVINO() {
      entries.append(
        Entry(name: engine.name, path: engine.path, version: engine.version, devices: engine.devices))
    }
    if let engine = try? onnxRuntime() {
      entries.append(
        Entry(name: engine.name, path: engine.path, version: engine.version, devices: engine.devices))
    }
    if let engine = try? torch() {
      entries.append(
        Entry(name: engine.name, path: engine.path, version: engine.version, devices: engine.devices))
    }
    for engine in [NativeEngine(), ReferenceEngine()] as [any Engine] {
      entries.append(Entry(name: engine.name, path: nil, version: engine.version, devices: engine.devices))
    }
    return entries
  }

  /// Whether there is an engine that takes seconds, not hours.
  public var isFitForUse: Bool { NativeEngine.isFast || (try? library()) != nil }

  /// The engine called `name`; nil for the fastest one for each network, or for the library the search was told of.
  ///
  /// Throws `usage` for an unknown name and `engine` when the engine cannot be used, with a way to get it.
  public func engine(named name: String? = nil) throws -> any Engine {
    switch name {
    case nil: return search.explicitPath == nil ? FastestEngine(library: library) : try library()
    case "openvino": return try openVINO()
    case "onnxruntime": return try onnxRuntime()
    case "torch": return try torch()
    case "native": return NativeEngine()
    case "reference": return ReferenceEngine()
    case let other?:
      throw Failure(
        .usage, "there is no engine called \(other)", hint: "engines are \(Self.names.joined(separator: ", "))")
    }
  }

  /// The engine called `name` for training; nil for the fastest one there is. Throws as `engine(named:)` does.
  public func trainingEngine(named name: String? = nil) throws -> any TrainingEngine {
    guard let engine = try engine(named: name ?? "torch") as? any TrainingEngine else {
      throw Failure(
        .engine, "\(name ?? "the engine") runs networks but cannot train them", hint: "choose the engine torch")
    }
    return engine
  }

  /// OpenVINO, or ONNX Runtime where only that is there.
  private func library() throws -> any ModelFileEngine {
    do {
      return try openVINO()
    } catch {
      guard let other = try? onnxRuntime() else { throw error }
      return other
    }
  }

  private func onnxRuntime() throws -> OnnxRuntimeEngine {
    try first(
      of: search.onnxRuntimeLibraries(), OnnxRuntimeEngine.init(libraryPath:),
      orElse: Failure(
        .engine, "ONNX Runtime is not installed",
        hint: "run: microtome engines install onnxruntime; or: pip install onnxruntime"))
  }

  private func openVINO() throws -> OpenVINOEngine {
    try first(
      of: search.openVINOLibraries(), OpenVINOEngine.init(libraryPath:),
      orElse: Failure(
        .engine, "OpenVINO, the library that runs the networks, is not installed",
        hint: "run: microtome engines install openvino; or: pip install openvino"))
  }

  private func torch() throws -> TorchEngine {
    try first(
      of: search.torchLibraries(), TorchEngine.init(libraryPath:),
      orElse: Failure(
        .engine, "PyTorch, the library that trains networks, is not installed",
        hint: "run: microtome engines install torch; or: pip install torch"))
  }

  /// The first library that can be used, or the reason why the first of all cannot.
  private func first<Opened>(
    of paths: [String], _ open: (String) throws -> Opened, orElse absence: Failure
  ) throws -> Opened {
    var reason: Failure?
    for path in paths {
      do {
        return try open(path)
      } catch let failure as Failure {
        if reason == nil { reason = failure }
      }
    }
    throw reason ?? absence
  }
}
