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
    try check(device, of: engine)
    return engine
  }

  /// - Parameter device: as the engine calls it.
  func compileOptions(device: String) -> CompileOptions {
    CompileOptions(
      device: device, precision: precision, threads: threads,
      cacheFolder: withoutCache ? nil : EngineSearch().dataFolder.map { Path.join($0, "compiled") })
  }

  /// Throws `engine` when an engine does not have a device.
  private func check(_ device: String, of engine: any Engine) throws {
    let wanted = device.uppercased()
    // All have it, and to list the others takes a library up to a second.
    if wanted == "CPU" { return }
    let isKnown = engine.devices.contains { name in
      name == wanted || [".", ":"].contains { name.hasPrefix(wanted + $0) } || wanted == "GPU" && name != "CPU"
    }
    if !isKnown { throw missing(device, of: engine) }
  }

  /// The engine's name of a device for tools whose default is a GPU, and the processor where there is none.
  ///
  /// Throws `engine` when it is no GPU that is missing.
  func device(_ name: String, of engine: any Engine) throws -> String {
    let wanted = name.lowercased()
    guard wanted != "cpu" else { return "CPU" }
    let devices = engine.devices
    if ["gpu", "cuda", "mps"].contains(wanted.prefix { $0 != ":" }) {
      let number = wanted.split(separator: ":").dropFirst().first.flatMap { Int($0) }
      let gpus = devices.filter { name in ["GPU", "CUDA", "MPS"].contains(where: name.hasPrefix) }
      if let number, gpus.indices.contains(number) { return gpus[number] }
      return number == nil ? gpus.first ?? "CPU" : "CPU"
    }
    guard let found = devices.first(where: { $0.lowercased() == wanted }) else { throw missing(name, of: engine) }
    return found
  }

  /// Where no engine was named, its name would tell the user nothing.
  private func missing(_ device: String, of engine: any Engine) -> Failure {
    let owner = self.engine == nil && enginePath == nil ? "there is" : "\(engine.name) has"
    return Failure(
      .engine, "there is no device \"\(device)\" here", hint: "\(owner) \(engine.devices.joined(separator: ", "))")
  }
}

extension Precision: ExpressibleByArgument {}
