import Basics
import Dispatch
import Engines
import NNUNet
import Training

/// One training command: finds engines, runs, and tells the user how it goes.
struct TrainingSession {
  let options: TrainingOptions
  let arguments: TrainArguments

  func run() throws {
    Interruption.watch()
    var options = options
    options.pretrainedWeights = arguments.pretrained
    options.continues = arguments.continues
    options.onlyValidates = arguments.onlyValidates
    options.validatesBest = arguments.validatesBest
    options.savesProbabilities = arguments.savesProbabilities
    options.disablesCheckpoints = arguments.disablesCheckpoints
    options.epochs = arguments.epochs
    options.iterationsPerEpoch = arguments.iterations
    options.validationIterations = arguments.validationIterations
    options.saveEvery = arguments.saveEvery
    options.seed = arguments.seed
    options.workers = arguments.workers
    options.inference.threads = arguments.threads
    let roots = DatasetRoots { Environment[$0] }
    // The engine is part of what has to be there, but the dataset comes first in everybody's mind.
    var run = try TrainingRun(options, roots: roots)
    let engine = options.onlyValidates ? nil : try trainingEngine()
    run.options.compile = CompileOptions(
      device: try device(of: engine), precision: arguments.precision, threads: arguments.threads)
    let reporter = TrainingReporter(showsProgress: !arguments.hidesProgress)
    if run.task.variant.isBenchmark {
      _ = try run.benchmark(try engine ?? trainingEngine(), report: reporter.report)
      return
    }
    _ = try run.run(
      trainingEngine: { try engine ?? trainingEngine() },
      inferenceEngine: { try validationEngine(fallback: engine) }, report: reporter.report)
  }

  func trainingEngine() throws -> any TrainingEngine {
    try EngineRegistry(search: EngineSearch(explicitPath: arguments.enginePath))
      .trainingEngine(named: arguments.engine)
  }

  func device(of engine: (any TrainingEngine)?) throws -> String {
    guard let engine else { return "CPU" }
    guard let wanted = arguments.device?.uppercased() else {
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
      return try EngineRegistry(search: EngineSearch()).engine(named: arguments.validationEngine)
    } catch {
      guard arguments.validationEngine == nil, let fallback else { throw error }
      return fallback
    }
  }
}

/// Turns the events of a training into lines: a live line on a terminal, plain lines otherwise.
final class TrainingReporter: @unchecked Sendable {
  private let showsProgress: Bool
  private var clock = Stopwatch()
  private var sinceShown = 1.0
  private let lock = DispatchSemaphore(value: 1)

  init(showsProgress: Bool) { self.showsProgress = showsProgress && Console.isInteractive }

  /// Called from several threads.
  @Sendable func report(_ event: TrainingEvent) {
    lock.wait()
    defer { lock.signal() }
    switch event {
    case .note(let text): say(text)
    case .warning(let text):
      if showsProgress { Console.clearTransient() }
      Console.error("warning: \(text)")
    case .advanced(let epoch, let epochs, let done, let total, let loss, let secondsLeft):
      sinceShown += clock.lap()
      guard showsProgress, sinceShown > 0.2 || done == total else { return }
      sinceShown = 0
      Console.transient(
        "epoch \(epoch + 1)/\(epochs): \(done)/\(total), loss \(loss.decimals(4)), \(secondsLeft.duration) left")
    case .finishedEpoch(let epoch):
      let dice = epoch.dice.map { $0.decimals(4) }.joined(separator: " ")
      say(
        "epoch \(epoch.epoch + 1)/\(epoch.epochs): train loss \(epoch.trainingLoss.decimals(4)), validation loss "
          + "\(epoch.validationLoss.decimals(4)), pseudo Dice \(dice)\(epoch.isBest ? " (best so far)" : ""), "
          + "\(epoch.seconds.duration), \(epoch.iterationsPerSecond.brief) batches/s, "
          + "\((100 * epoch.waitingShare).decimals(1)) % waiting for data, \(epoch.secondsLeft.duration) left")
    case .validating(let identifier, let number, let total): say("validating [\(number)/\(total)] \(identifier)")
    case .validated(let dice, let summary): say("mean validation Dice \(dice.decimals(4)) -> \(summary)")
    }
  }

  private func say(_ line: String) {
    if showsProgress { Console.clearTransient() }
    Console.print(line)
  }
}
