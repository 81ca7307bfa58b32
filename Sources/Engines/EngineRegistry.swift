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
  public static let names = ["openvino", "reference"]

  /// Every engine that can be used. Trying all devices takes up to a second.
  public func entries() -> [Entry] {
    var entries: [Entry] = []
    if let engine = try? openVINO() {
      entries.append(
        Entry(name: engine.name, path: engine.path, version: engine.version, devices: engine.devices))
    }
    let reference = ReferenceEngine()
    entries.append(
      Entry(name: reference.name, path: nil, version: reference.version, devices: reference.devices))
    return entries
  }

  /// The engine called `name`; nil for the fastest one there is.
  ///
  /// Throws `usage` for an unknown name and `engine` when the engine cannot be used, with a way to get it.
  public func engine(named name: String? = nil) throws -> any Engine {
    switch name {
    case nil, "openvino": return try openVINO()
    case "reference": return ReferenceEngine()
    case let other?:
      throw Failure(
        .usage, "there is no engine called \(other)", hint: "engines are \(Self.names.joined(separator: ", "))")
    }
  }

  private func openVINO() throws -> OpenVINOEngine {
    var first: Failure?
    for path in try search.openVINOLibraries() {
      do {
        return try OpenVINOEngine(libraryPath: path)
      } catch let failure as Failure {
        if first == nil { first = failure }
      }
    }
    throw first
      ?? Failure(
        .engine, "OpenVINO, the library that runs the networks, is not installed",
        hint: "run: microtome engines install openvino; or: pip install openvino")
  }
}
