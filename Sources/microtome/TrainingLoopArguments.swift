import ArgumentParser
import Basics
import Engines
import Training

/// How much is trained and on what: the options of `train` and `distill` that are Microtome's own.
struct TrainingLoopArguments: ParsableArguments {
  @Option(name: .customLong("iterations-per-epoch"), help: "Training batches in an epoch.")
  var iterations = 250

  @Option(name: .customLong("validation-iterations"), help: "Validation batches after each epoch.")
  var validationIterations = 50

  @Option(name: .customLong("save-every"), help: "Epochs between two checkpoints to continue from.")
  var saveEvery = 50

  @Option(help: "A number that decides all random choices. (default: a different one each time)")
  var seed: UInt64?

  @Option(name: .customLong("loader-threads"), help: "Threads that prepare batches. (default: all cores)")
  var namedWorkers: Int?

  /// As named, else by the variable of nnU-Net; nil for all cores.
  var workers: Int? { namedWorkers ?? Int(Environment["nnUNet_n_proc_DA"] ?? "").flatMap { $0 > 0 ? $0 : nil } }

  @Option(help: "The engine that trains; 'microtome engines' lists them.")
  var engine: String?

  @Option(name: .customLong("engine-path"), help: "The training engine's library, or the folder it lies in.")
  var enginePath: String?

  @Option(
    name: .customLong("validation-engine"),
    help: "The engine of the final validation, and of teachers. (default: the fastest)")
  var validationEngine: String?

  @Option(help: "The arithmetic of training: auto, fp32, bf16 or fp16.")
  var precision = Precision.auto

  @Option(help: "The number of threads. (default: all cores)")
  var threads: Int?

  @Flag(name: .customLong("disable_progress_bar"), help: "No progress line.")
  var hidesProgress = false

  func validate() throws {
    for (name, value) in [
      ("--iterations-per-epoch", iterations), ("--save-every", saveEvery),
      ("--validation-iterations", validationIterations), ("--loader-threads", workers ?? 1),
      ("--threads", threads ?? 1),
    ] where value < 1 {
      throw ValidationError("\(name) is \(value); at least 1 is needed")
    }
    if let seed, seed >= 1 << 63 { throw ValidationError("--seed is \(seed); it must be below 2^63") }
  }

  /// Sets what the engines have no part in.
  func set(_ options: inout TrainingOptions) {
    options.iterationsPerEpoch = iterations
    options.validationIterations = validationIterations
    options.saveEvery = saveEvery
    options.seed = seed
    options.workers = workers
    options.inference.threads = threads
  }
}
