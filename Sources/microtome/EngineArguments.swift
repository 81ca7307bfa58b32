import ArgumentParser
import Basics
import Engines

/// Which engine runs networks, and how.
struct EngineArguments: ParsableArguments {
  @Option(
    name: [.customLong("device", withSingleDash: true), .customLong("device")],
    help: "cpu, gpu, or a device that 'microtome engines' lists.")
  var device = "cpu"

  @Option(name: .customLong("engine-path"), help: "The engine's library, or the folder it lies in.")
  var enginePath: String?

  @Option(help: "The engine that runs the network; 'microtome engines' lists them.")
  var engine: String?

  @Option(help: "The arithmetic: auto, fp32, bf16 or fp16.")
  var precision = Precision.auto

  @Option(help: "The number of threads. (default: all cores)")
  var threads: Int?

  @Flag(name: .customLong("no-cache"), help: "Do not keep compiled networks for the next run.")
  var withoutCache = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads is \(threads); at least one is needed") }
  }

  /// The engine asked for, or the fastest there is. Throws `engine` when it lacks the device.
  func makeEngine() throws -> any Engine {
    let found = try EngineRegistry(search: EngineSearch(explicitPath: enginePath)).engine(named: engine)
    try Self.check(device, of: found)
    return found
  }

  var compileOptions: CompileOptions {
    CompileOptions(
      device: device.uppercased(), precision: precision, threads: threads,
      cacheFolder: withoutCache ? nil : EngineSearch().dataFolder.map { Path.join($0, "compiled") })
  }

  /// Throws `engine` when an engine does not have a device.
  static func check(_ device: String, of engine: any Engine) throws {
    let wanted = device.uppercased()
    let isKnown = engine.devices.contains { name in
      name == wanted || [".", ":"].contains { name.hasPrefix(wanted + $0) } || wanted == "GPU" && name != "CPU"
    }
    guard !isKnown else { return }
    throw Failure(
      .engine, "\(engine.name) has no device \"\(device)\"", hint: "it has \(engine.devices.joined(separator: ", "))")
  }
}
