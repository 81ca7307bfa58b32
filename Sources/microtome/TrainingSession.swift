import Basics
import Engines

/// The engines of a training command.
struct TrainingSession {
  let loop: TrainingLoopArguments
  /// As the user has named it; nil for the engine's best.
  let device: String?

  /// Where and how `engine` trains.
  func compileOptions(of engine: (any TrainingEngine)?) throws -> CompileOptions {
    CompileOptions(device: try device(of: engine), precision: loop.precision, threads: loop.threads)
  }

  func trainingEngine() throws -> any TrainingEngine {
    try EngineRegistry(search: EngineSearch(explicitPath: loop.enginePath))
      .trainingEngine(named: loop.engine)
  }

  private func device(of engine: (any TrainingEngine)?) throws -> String {
    guard let engine else { return "CPU" }
    guard let wanted = device?.uppercased() else {
      return engine.devices.first { $0.hasPrefix("CUDA") } ?? "CPU"
    }
    guard engine.devices.contains(where: { $0 == wanted || $0.hasPrefix(wanted + ".") || $0.hasPrefix(wanted + ":") })
    else {
      throw Failure(
        .engine, "\(engine.name) has no device \"\(wanted.lowercased())\"",
        hint: "it has \(engine.devices.joined(separator: ", "))")
    }
    return wanted
  }

  /// The engine asked for, else the fastest, else the one that trains.
  func validationEngine(fallback: (any TrainingEngine)?) throws -> any Engine {
    do {
      return try EngineRegistry(search: EngineSearch()).engine(named: loop.validationEngine)
    } catch {
      guard loop.validationEngine == nil, let fallback else { throw error }
      return fallback
    }
  }
}
