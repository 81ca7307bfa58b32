import ArgumentParser
import Basics
import Engines
import NNUNet
import Training

/// `microtome train` and `nnUNetv2_train`
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains an nnU-Net v2 model on a preprocessed dataset.",
    discussion: """
      Folders are those of nnU-Net: the environment variables nnUNet_preprocessed and nnUNet_results name them. Options \
      are those of nnUNetv2_train. Ctrl-C leaves a checkpoint from which --c goes on exactly.
      """)

  @Argument(help: "The dataset's name or number.")
  var dataset: String

  @Argument(help: "The configuration: 2d, 3d_fullres, ...")
  var configuration: String

  @Argument(help: "The fold of the cross-validation: 0 to 4, or 'all'.")
  var fold: String

  @Option(name: .customLong("tr", withSingleDash: true), help: "The trainer: which variant of the training.")
  var trainer = "nnUNetTrainer"

  @Option(name: .customShort("p"), help: "The plans.")
  var plans = "nnUNetPlans"

  @OptionGroup var arguments: TrainArguments

  func run() throws {
    var options = TrainingOptions(dataset: dataset, configuration: configuration, fold: fold)
    options.trainer = trainer
    options.plans = plans
    try TrainingSession(options: options, arguments: arguments).run()
  }
}

/// `nnUNet_train`, as nnU-Net v1 called it: the same arguments in another order, and names that have changed.
struct LegacyTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNet_train", abstract: "Trains an nnU-Net v2 model; takes the arguments of nnU-Net v1.")

  @Argument(help: "The configuration: 2d, 3d_fullres, ...")
  var configuration: String

  @Argument(help: "The trainer; nnUNetTrainerV2 is what v2 calls nnUNetTrainer.")
  var trainer: String

  @Argument(help: "The task's or dataset's name or number.")
  var task: String

  @Argument(help: "The fold of the cross-validation: 0 to 4, or 'all'.")
  var fold: String

  @Option(name: .customShort("p"), help: "The plans; nnUNetPlansv2.1 is what v2 calls nnUNetPlans.")
  var plans = "nnUNetPlansv2.1"

  @Flag(name: .customLong("fp32"), help: "Full instead of mixed precision.")
  var fullPrecision = false

  @Flag(name: .customLong("use_compressed_data"), help: "Accepted for nnU-Net's sake.")
  var compressed = false

  @Flag(name: .customLong("deterministic"), help: "Accepted for nnU-Net's sake; see --seed.")
  var deterministic = false

  @Flag(name: .customLong("disable_postprocessing_on_folds"), help: "Accepted for nnU-Net's sake.")
  var withoutPostprocessing = false

  @OptionGroup var arguments: TrainArguments

  func run() throws {
    let trainers = ["nnUNetTrainerV2": "nnUNetTrainer", "nnUNetTrainerV2CascadeFullRes": "nnUNetTrainer"]
    var options = TrainingOptions(dataset: task, configuration: configuration, fold: fold)
    options.trainer = trainers[trainer] ?? trainer
    options.plans = plans == "nnUNetPlansv2.1" ? "nnUNetPlans" : plans
    var arguments = arguments
    if fullPrecision { arguments.precision = .fp32 }
    try TrainingSession(options: options, arguments: arguments).run()
  }
}

/// The options that both commands share.
struct TrainArguments: ParsableArguments {
  @Option(
    name: .customLong("pretrained_weights", withSingleDash: true),
    help: "A checkpoint whose weights, output layers apart, are begun with.")
  var pretrained: String?

  @Option(name: .customLong("num_gpus", withSingleDash: true), help: "Only 1 is supported.")
  var devices = 1

  @Flag(name: .customLong("npz"), help: "The final validation also writes probabilities, for ensembles.")
  var savesProbabilities = false

  @Flag(
    name: [.customLong("c"), .customShort("c")],
    help: "Go on with an earlier training, from its latest checkpoint.")
  var continues = false

  @Flag(
    name: [.customLong("val"), .customLong("val", withSingleDash: true)], help: "Only repeat the final validation.")
  var onlyValidates = false

  @Flag(
    name: [.customLong("val_best"), .customLong("valbest")],
    help: "Validate with checkpoint_best instead of checkpoint_final.")
  var validatesBest = false

  @Flag(
    name: [.customLong("disable_checkpointing"), .customLong("disable_saving")], help: "Write no checkpoints.")
  var disablesCheckpoints = false

  @Option(
    name: [.customLong("device", withSingleDash: true), .customLong("device")],
    help: "cuda, cpu or mps. (default: cuda where there is one)")
  var device: String?

  @Option(help: "The number of epochs. (default: the trainer's, mostly 1000)")
  var epochs: Int?

  @Option(name: .customLong("iterations-per-epoch"), help: "Training batches in an epoch.")
  var iterations = 250

  @Option(name: .customLong("validation-iterations"), help: "Validation batches after each epoch.")
  var validationIterations = 50

  @Option(name: .customLong("save-every"), help: "Epochs between two checkpoints to continue from.")
  var saveEvery = 50

  @Option(help: "A number that decides all random choices. (default: a different one each time)")
  var seed: UInt64?

  @Option(name: .customLong("loader-threads"), help: "Threads that prepare batches. (default: all cores)")
  var workers = Int(Environment["nnUNet_n_proc_DA"] ?? "").flatMap { $0 > 0 ? $0 : nil }

  @Option(help: "The engine that trains; 'microtome engines' lists them.")
  var engine: String?

  @Option(name: .customLong("engine-path"), help: "The training engine's library, or the folder it lies in.")
  var enginePath: String?

  @Option(name: .customLong("validation-engine"), help: "The engine of the final validation. (default: the fastest)")
  var validationEngine: String?

  @Option(help: "The arithmetic of training: auto, fp32, bf16 or fp16.")
  var precision = Precision.auto

  @Option(help: "The number of threads. (default: all cores)")
  var threads: Int?

  @Flag(name: .customLong("disable_progress_bar"), help: "No progress line.")
  var hidesProgress = false

  func validate() throws {
    guard devices == 1 else {
      throw ValidationError("-num_gpus is \(devices); training runs on one device")
    }
    for (name, value) in [
      ("--epochs", epochs ?? 1), ("--iterations-per-epoch", iterations), ("--save-every", saveEvery),
      ("--validation-iterations", validationIterations), ("--loader-threads", workers ?? 1),
      ("--threads", threads ?? 1),
    ] where value < 1 {
      throw ValidationError("\(name) is \(value); at least 1 is needed")
    }
    if let seed, seed >= 1 << 63 { throw ValidationError("--seed is \(seed); it must be below 2^63") }
  }
}
