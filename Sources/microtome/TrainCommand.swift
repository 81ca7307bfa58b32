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
    try arguments.train(options)
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

  @Option(name: .customLong("val_folder"), help: "Accepted for nnU-Net's sake: the folder is called validation.")
  var validationFolder: String?

  @OptionGroup var arguments: TrainArguments

  func run() throws {
    let trainers = ["nnUNetTrainerV2": "nnUNetTrainer", "nnUNetTrainerV2CascadeFullRes": "nnUNetTrainer"]
    var options = TrainingOptions(dataset: task, configuration: configuration, fold: fold)
    options.trainer = trainers[trainer] ?? trainer
    options.plans = plans == "nnUNetPlansv2.1" ? "nnUNetPlans" : plans
    var arguments = arguments
    if fullPrecision { arguments.loop.precision = .fp32 }
    try arguments.train(options)
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

  @OptionGroup var loop: TrainingLoopArguments

  func validate() throws {
    guard devices == 1 else {
      throw ValidationError("-num_gpus is \(devices); training runs on one device")
    }
    if let epochs, epochs < 1 { throw ValidationError("--epochs is \(epochs); at least 1 is needed") }
  }

  /// Trains, and tells the user how it goes.
  func train(_ base: TrainingOptions) throws {
    Interruption.watch()
    var options = base
    options.pretrainedWeights = pretrained
    options.continues = continues
    options.onlyValidates = onlyValidates
    options.validatesBest = validatesBest
    options.savesProbabilities = savesProbabilities
    options.disablesCheckpoints = disablesCheckpoints
    options.epochs = epochs
    loop.set(&options)
    // The engine is part of what has to be there, but the dataset comes first in everybody's mind.
    var run = try TrainingRun(options, roots: DatasetRoots { Environment[$0] })
    let session = TrainingSession(loop: loop, device: device)
    let engine = options.onlyValidates && !session.namesTrainer ? nil : try session.trainingEngine()
    run.options.compile = try session.compileOptions(of: engine)
    let device = run.options.compile.device
    run.options.inference.device = try session.validationDevice(trainer: engine, trainingOn: device)
    let reporter = TrainingReporter(showsProgress: !loop.hidesProgress)
    if run.task.variant.isBenchmark {
      _ = try run.benchmark(try engine ?? session.trainingEngine(), report: reporter.report)
      return
    }
    _ = try run.run(
      trainingEngine: { try engine ?? session.trainingEngine() },
      inferenceEngine: { try session.validationEngine(trainer: engine, trainingOn: device) }, report: reporter.report)
  }
}
