import Basics
import Engines

/// The engines of a training command.
struct TrainingSession {
  let loop: TrainingLoopArguments
  /// As the user has named it; nil for the engine's best.
  let device: String?

  /// Whether something is asked of the engine that trains, so that it has to be there even if nothing is trained.
  var namesTrainer: Bool { loop.engine != nil || device.map { $0.uppercased() != "CPU" } ?? false }

  func trainingEngine() throws -> any TrainingEngine {
    try EngineRegistry(search: EngineSearch(explicitPath: loop.enginePath))
      .trainingEngine(named: loop.engine)
  }

  /// Where and how `engine` trains. Throws `engine` when it lacks the device.
  func compileOptions(of engine: (any TrainingEngine)?) throws -> CompileOptions {
    CompileOptions(device: try device(of: engine), precision: loop.precision, threads: loop.threads)
  }

  private func device(of engine: (any TrainingEngine)?) throws -> String {
    guard let engine else { return "CPU" }
    guard let wanted = device?.uppercased() else {
      return engine.devices.first { $0.hasPrefix("CUDA") } ?? "CPU"
    }
    guard Self.has(wanted, engine) else {
      throw Failure(
        .engine, "\(engine.name) has no device \"\(wanted.lowercased())\"",
        hint: "it has \(engine.devices.joined(separator: ", "))")
    }
    return wanted
  }

  private static func has(_ device: String, _ engine: any Engine) -> Bool {
    engine.devices.contains { $0 == device || $0.hasPrefix(device + ".") || $0.hasPrefix(device + ":") }
  }

  /// The engine asked for, else the one that trains where that is not the processor, else the fastest there is.
  ///
  /// - Parameter device: where is trained.
  func validationEngine(trainer: (any TrainingEngine)?, trainingOn device: String) throws -> any Engine {
    if loop.validationEngine == nil, device != "CPU", let trainer { return trainer }
    do {
      return try EngineRegistry(search: EngineSearch()).engine(named: loop.validationEngine)
    } catch {
      guard loop.validationEngine == nil, let trainer else { throw error }
      return trainer
    }
  }

  /// Where that engine runs: where is trained, if it has such a device.
  func validationDevice(trainer: (any TrainingEngine)?, trainingOn device: String) throws -> String {
    guard device != "CPU" else { return device }
    return Self.has(device, try validationEngine(trainer: trainer, trainingOn: device)) ? device : "CPU"
  }
}
