import ArgumentParser
import Basics
import Engines
import NNUNet
import Networks
import Training

/// `microtome distill`
struct Distill: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a small student of trained nnU-Net models.",
    discussion: """
      The teachers are one or more trained folds; the student has the same plans with narrower stages, learns from the \
      labels and from the teachers' answers, and is an ordinary model folder. Folders are those of nnU-Net: the \
      environment variables nnUNet_preprocessed and nnUNet_results name them. Ctrl-C leaves a checkpoint from which \
      -c_continue goes on exactly.

      A run is never overwritten by one with other parameters; --suffix keeps several students side by side.
      """)

  @OptionGroup var arguments: DistillArguments

  @Option(
    name: .customLong("kd-mean"), help: "What the divergence is a mean over: voxels, or elements as in FastnnUNet.")
  var mean = DistillationLoss.Mean.voxels

  @Option(parsing: .upToNextOption, help: "Channels of each stage, instead of -r.")
  var widths: [Int] = []

  func run() throws {
    var options = arguments.options(mean: mean, teacherPlans: "nnUNetPlans", rotation: 400)
    options.design.widths = widths.isEmpty ? nil : widths
    try arguments.distill(options)
  }
}

/// `nnUNetv2_distillation_train`
struct DistillPlain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNetv2_distillation_train", abstract: "Trains a small student of a trained nnU-Net model.",
    discussion: "The options of FastnnUNet's command, whose -a weighs the mean over voxels and classes.")

  @OptionGroup var arguments: DistillArguments

  func run() throws {
    try arguments.distill(arguments.fastnnUNetOptions(teacherPlans: "nnUNetPlans", rotation: 400))
  }
}

/// `nnUNetv2_resenc_distillation_train`
struct DistillResEnc: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNetv2_resenc_distillation_train",
    abstract: "Trains a small student of a trained residual encoder.",
    discussion: "The options of FastnnUNet's command, whose -a weighs the mean over voxels and classes.")

  @OptionGroup var arguments: DistillArguments

  func run() throws {
    try arguments.distill(arguments.fastnnUNetOptions(teacherPlans: "nnUNetResEncUNetLPlans", rotation: 5))
  }
}

extension DistillationLoss.Mean: ExpressibleByArgument {}
extension BlockStrategy: ExpressibleByArgument {}
extension DistillationOptions.Beginning: ExpressibleByArgument {}

/// The options of all three commands.
struct DistillArguments: ParsableArguments {
  @Option(name: [.customShort("d"), .customLong("dataset_id")], help: "The dataset's number or name.")
  var dataset: String

  @Option(name: [.customShort("c"), .customLong("configuration")], help: "The configuration: 2d, 3d_fullres, ...")
  var configuration = "3d_fullres"

  @Option(
    name: [.customShort("f"), .customLong("fold"), .customLong("start_fold")], help: "The student's fold, or 'all'.")
  var fold = "0"

  @Option(
    name: [.customShort("t"), .customLong("teacher_model_folder")],
    help: "A model folder that teaches; may be given several times. (default: nnUNetTrainer's with -tpl)")
  var teachers: [String] = []

  @Option(
    name: [.customLong("tf", withSingleDash: true), .customLong("teacher_folds")], parsing: .upToNextOption,
    help: "The folds that teach. (default: all numbered ones)")
  var teacherFolds: [String] = []

  @Option(
    name: [.customLong("tcp", withSingleDash: true), .customLong("teacher_checkpoint")],
    help: "The checkpoint of each fold.")
  var teacherCheckpoint = "checkpoint_final.pth"

  @Option(
    name: [.customLong("tpl", withSingleDash: true), .customLong("teacher_plans")],
    help: "The plans of the teacher that -t does not name.")
  var teacherPlans: String?

  @Option(
    name: [.customLong("spl", withSingleDash: true), .customLong("student_plans")],
    help: "The plans the student is made of.")
  var studentPlans = "nnUNetPlans"

  @Option(
    name: [.customLong("tr", withSingleDash: true)], help: "The trainer whose augmentation and schedule are used.")
  var trainer = "nnUNetTrainer"

  @Option(
    name: [.customShort("a"), .customLong("alpha")],
    help: "The teachers' share of the loss, 0 to 1; 0 is ordinary training.")
  var alpha = 0.3

  @Option(
    name: [.customLong("temp", withSingleDash: true), .customLong("temperature")],
    help: "What logits are divided by before they are compared.")
  var temperature = 3.0

  @Option(
    name: [.customShort("r"), .customLong("reduction_factor")],
    help: "What the channels of each stage are divided by; none gets fewer than 8. (default: 2)")
  var reduction: Int?

  @Option(
    name: [.customLong("bs", withSingleDash: true), .customLong("block_strategy")],
    help: "Blocks of a residual student: keep, reduce, increase or adaptive.")
  var strategy = BlockStrategy.keep

  @Option(parsing: .upToNextOption, help: "Blocks (convolutions) of each encoder stage, instead of -bs.")
  var blocks: [Int] = []

  @Option(
    name: [.customLong("d_device", withSingleDash: true), .customLong("device")],
    help: "cuda, cpu or mps. (default: cuda where there is one)")
  var device: String?

  @Flag(
    name: [.customLong("c_continue", withSingleDash: true), .customLong("continue_training")],
    help: "Go on with an earlier run, from its latest checkpoint.")
  var continues = false

  @Flag(name: .customLong("val"), help: "Only repeat the final validation and the report.")
  var onlyValidates = false

  @Flag(
    name: [.customLong("disable_mirroring", withSingleDash: true), .customLong("disable_val_mirroring")],
    help: "The final validation does not average over mirrored patches.")
  var withoutMirroring = false

  @Flag(
    name: [.customLong("rotate_folds", withSingleDash: true), .customLong("rotate_training_folds")],
    help: "Train on the cases of one fold after the other.")
  var rotates = false

  @Option(
    name: [.customLong("rotate_freq", withSingleDash: true), .customLong("rotate_folds_frequency")],
    help: "Epochs of each fold's turn. (default: 400; 5 of nnUNetv2_resenc_distillation_train)")
  var rotation: Int?

  @Option(
    name: [.customShort("e"), .customLong("epochs")],
    help: "The number of epochs. (default: the trainer's, mostly 1000)")
  var epochs: Int?

  @Flag(name: .customLong("use_da5"), help: "The augmentation of nnUNetTrainerDA5.")
  var usesDA5 = false

  @Flag(name: .customLong("all-levels"), help: "Teach every output of deep supervision, not only the finest.")
  var guidesAllLevels = false

  @Option(
    help: """
      Choose -r by what the student may cost: "2 s/case", "30 GFLOP" (a case), "200 MB" (weights and activations).
      """)
  var budget: String?

  @Option(
    name: .customLong("init"),
    help: """
      What the student begins with: random numbers, or the channels of the first teacher that matter most. (default: \
      teacher, where -a is above 0 and the networks differ in channels only; random for FastnnUNet's names)
      """)
  var beginning: DistillationOptions.Beginning?

  @Option(name: .customLong("min-dice"), help: "Say in the report whether the mean Dice reaches this.")
  var smallestDice: Double?

  @Option(
    name: .customLong("batch-pool"),
    help: """
      Draw so many augmented batches once and use them again and again, so that the teachers are asked only once about \
      each. (default: every batch is new)
      """)
  var batchPool: Int?

  @Option(help: "Added to the name of the results' folder.")
  var suffix: String?

  @Flag(name: .customLong("no-teacher-validation"), help: "The report does without the teachers' Dice and seconds.")
  var spareTeachers = false

  @OptionGroup var loop: TrainingLoopArguments

  func validate() throws {
    for (name, value) in [
      ("-e", epochs ?? 1), ("-rotate_freq", rotation ?? 1), ("--batch-pool", batchPool ?? 1),
    ] where value < 1 {
      throw ValidationError("\(name) is \(value); at least 1 is needed")
    }
    if budget != nil, reduction != nil {
      throw ValidationError("--budget and -r exclude each other: a budget chooses the reduction")
    }
    if usesDA5, trainer != "nnUNetTrainer" { throw ValidationError("--use_da5 and -tr exclude each other") }
  }

  /// What the command line asks for, as far as the commands agree about it.
  func options(mean: DistillationLoss.Mean, teacherPlans plans: String, rotation frequency: Int) -> DistillationOptions
  {
    var training = TrainingOptions(dataset: dataset, configuration: configuration, fold: fold)
    training.trainer = usesDA5 ? "nnUNetTrainerDA5" : trainer
    training.plans = studentPlans
    training.continues = continues
    training.continuingOption = "-c_continue"
    training.onlyValidates = onlyValidates
    training.epochs = epochs
    training.batchPool = batchPool
    training.foldRotation = rotates ? rotation ?? frequency : nil
    training.mirrorsValidation = !withoutMirroring
    loop.set(&training)
    var options = DistillationOptions(training)
    options.teacherFolders = teachers
    options.teacherPlans = teacherPlans ?? plans
    options.teacherFolds = teacherFolds
    options.teacherCheckpoint = teacherCheckpoint
    options.alpha = alpha
    options.temperature = temperature
    options.mean = mean
    options.beginning = beginning
    options.guidesAllLevels = guidesAllLevels
    options.design = StudentDesign(reduction: reduction ?? 2, strategy: strategy)
    options.design.blocks = blocks.isEmpty ? nil : blocks
    options.suffix = suffix
    options.smallestDice = smallestDice
    options.judgesTeachers = !spareTeachers
    return options
  }

  /// As `options`, with what FastnnUNet does where nothing is asked for.
  func fastnnUNetOptions(teacherPlans plans: String, rotation frequency: Int) -> DistillationOptions {
    var options = options(mean: .elements, teacherPlans: plans, rotation: frequency)
    options.beginning = beginning ?? .random
    return options
  }

  /// Distils, and tells the user how it goes.
  func distill(_ options: DistillationOptions) throws {
    Interruption.watch()
    var options = options
    options.budget = try budget.map(DistillationBudget.init(parsing:))
    let session = TrainingSession(loop: loop, device: device)
    var run = try DistillationRun(
      options, roots: DatasetRoots { Environment[$0] },
      engine: { try session.validationEngine(trainer: nil, trainingOn: "CPU") },
      note: Console.print)
    let trainer = options.training.onlyValidates && !session.namesTrainer ? nil : try session.trainingEngine()
    let compile = try session.compileOptions(of: trainer)
    run.setCompileOptions(
      compile, validationDevice: try session.validationDevice(trainer: trainer, trainingOn: compile.device))
    let reporter = TrainingReporter(showsProgress: !loop.hidesProgress)
    let report = try run.run(
      trainingEngine: { try trainer ?? session.trainingEngine() },
      inferenceEngine: { try session.validationEngine(trainer: trainer, trainingOn: compile.device) },
      report: reporter.report)
    for line in report.lines { Console.print(line) }
  }
}
