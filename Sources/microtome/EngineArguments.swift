import ArgumentParser
import Basics
import Engines

/// Which engine runs networks, and how. Devices are each command's own matter: its original has names for them.
struct EngineArguments: ParsableArguments {
  @Option(name: .customLong("engine-path"), help: "The engine's library, or the folder it lies in.")
  var enginePath: String?

  @Option(help: "The engine that runs networks; 'microtome engines' lists them.")
  var engine: String?

  @Option(help: "auto, fp32, bf16 or fp16; unless an engine is named, fp32 instead of what can only be imitated.")
  var precision = Precision.auto

  @Option(help: "The number of threads. (default: all cores)")
  var threads: Int?

  @Flag(name: .customLong("no-cache"), help: "Do not keep compiled networks for the next run.")
  var withoutCache = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads is \(threads); at least one is needed") }
  }

  /// The engine asked for, or the fastest there is. Throws `engine` when there is none.
  func makeEngine() throws -> any Engine {
    try EngineRegistry(search: EngineSearch(explicitPath: enginePath)).engine(named: engine)
  }

  /// The same; throws `engine` when it lacks a device too.
  func makeEngine(with device: String) throws -> any Engine {
    let engine = try makeEngine()
    try Self.check(device, of: engine)
    return engine
  }

  /// - Parameter device: as the engine calls it.
  func compileOptions(device: String) -> CompileOptions {
    CompileOptions(
      device: device, precision: precision, threads: threads,
      cacheFolder: withoutCache ? nil : EngineSearch().dataFolder.map { Path.join($0, "compiled") })
  }

  /// Throws `engine` when an engine does not have a device.
  private static func check(_ device: String, of engine: any Engine) throws {
    let wanted = device.uppercased()
    // All have it, and to list the others takes a library up to a second.
    if wanted == "CPU" { return }
    let isKnown = engine.devices.contains { name in
      name == wanted || [".", ":"].contains { name.hasPrefix(wanted + $0) } || wanted == "GPU" && name != "CPU"
    }
    guard !isKnown else { return }
    throw Failure(
      .engine, "\(engine.name) has no device \"\(device)\"", hint: "it has \(engine.devices.joined(separator: ", "))")
  }
}

extension Precision: ExpressibleByArgument {}
