import Basics
import Checkpoints
import Engines
import Imaging
import NNUNet
import Networks

/// A whole training as `nnUNetv2_train` does it: folders, split, network, training, final validation.
public struct TrainingRun: Sendable {
  public var options: TrainingOptions
  public let task: TrainingTask
  public let split: CrossValidation.Split
  /// `nnUNet_preprocessed/DATASET`
  let datasetFolder: String
  /// `nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION`
  public let modelFolder: String
  let cases: PreprocessedFolder
  /// The model that comes before this one in a cascade, and its segmentations.
  let firstStage: ModelIdentifier?
  let previous: PreviousSegmentations?
  /// What guides the training beside the labels.
  var guidance: Shared<(any TrainingGuidance)?> = Shared(nil)
  /// What checkpoints say about the training beside what nnU-Net's do.
  var arguments: JSONObject = [:]
  /// Parameters that a new training begins with instead of random ones.
  var inherited: @Sendable () throws -> [String: Tensor] = { [:] }

  /// Looks everything up; writes nothing but a missing `splits_final.json`.
  ///
  /// Throws `usage` for unknown names and options that contradict each other, `missingInput` for what has not been
  /// preprocessed, `badInput` for files that are damaged or contradict each other, `cannotWrite` when another process is
  /// at work in the fold's folder.
  public init(_ options: TrainingOptions, roots: DatasetRoots) throws {
    try self.init(options, roots: roots, trainerFolder: options.trainer) { $0 }
  }

  /// - Parameters:
  ///   - trainerFolder: the name under which the results are kept.
  ///   - firstStages: names under which a cascade's first stage may be found as well.
  ///   - change: makes the plans of the network that is trained of those that data was preprocessed with.
  init(
    _ options: TrainingOptions, roots: DatasetRoots, trainerFolder: String, firstStages: [String] = [],
    changing change: (Plans) throws -> Plans
  ) throws {
    guard !(options.continues && options.onlyValidates) else {
      throw Failure(
        .usage, "\(options.continuingOption) and --val cannot be used together",
        hint: "--val only repeats the final validation")
    }
    guard !(options.continues && options.pretrainedWeights != nil) else {
      throw Failure(
        .usage, "\(options.continuingOption) and -pretrained_weights cannot be used together",
        hint: "a continued training already has its weights")
    }
    guard !(options.validatesBest && options.disablesCheckpoints && !options.onlyValidates) else {
      throw Failure(
        .usage, "--val_best and --disable_checkpointing cannot be used together",
        hint: "without checkpoints there is no best one")
    }
    let variant = try TrainerVariant.named(options.trainer)
    let dataset = try roots.dataset(options.dataset)
    let folder = Path.join(try roots.preprocessed(), dataset)
    guard Path.isFolder(folder) else {
      throw Failure(
        .missingInput, "the dataset has not been preprocessed", file: folder,
        hint: "run: microtome plan-and-preprocess -d \(options.dataset)")
    }
    let plansPath = Path.join(folder, options.plans + ".json")
    guard Path.isFile(plansPath) else {
      let there = PlansFile.names(in: folder)
      throw Failure(
        .missingInput, "there are no such plans", file: plansPath,
        hint: there.isEmpty
          ? "run: microtome plan-and-preprocess -d \(options.dataset)" : "there are \(there.joined(separator: ", "))")
    }
    let results = Path.join(try roots.results(), dataset)
    let identifier = ModelIdentifier(
      trainer: trainerFolder, plans: options.plans, configuration: options.configuration)
    modelFolder = Path.join(results, identifier.description)
    var plans = try locating(plansPath) { try change(Plans.read(plansPath)) }
    var first: FirstStage?
    if plans.configurationNames.contains(options.configuration) {
      let second = try locating(plansPath) { try plans.configuration(options.configuration) }
      first = try FirstStage(
        before: second, trainers: [trainerFolder] + firstStages, plans: options.plans, results: results)
      // Whoever predicts with the second stage looks for the first one under the same name.
      if let model = first?.model, model.trainer != trainerFolder {
        plans = try plans.naming(previousModel: model, of: options.configuration)
      }
    }
    let description = try DatasetDescription.read(Path.join(folder, "dataset.json"))
    let task = try locating(plansPath) {
      try TrainingTask(plans: plans, dataset: description, configuration: options.configuration, variant: variant)
    }
    let dataIdentifier =
      task.configuration.json["data_identifier"]?.string ?? "\(options.plans)_\(options.configuration)"
    cases = try PreprocessedFolder(
      path: Path.join(folder, dataIdentifier), plans: plans, configuration: task.configuration)
    split = try CrossValidation.split(fold: options.fold, of: cases.identifiers, folder: folder)
    guard !split.train.isEmpty, !split.validation.isEmpty else {
      throw Failure(
        .badInput,
        "fold \(options.fold) has \(split.train.count) cases for training and \(split.validation.count) for "
          + "validation", file: Path.join(folder, CrossValidation.fileName))
    }
    self.options = options
    if variant.isBenchmark {
      guard options.fold == "0" else {
        throw Failure(.usage, "\(variant.name) measures fold 0 only, so that its results can be compared")
      }
      self.options.disablesCheckpoints = true
    }
    self.task = task
    datasetFolder = folder
    previous = try first?.segmentations(needed: split.train + split.validation)
    firstStage = first?.model
    try FolderLock.check(foldFolder)
  }

  /// `fold_X`
  public var foldFolder: String { Path.join(modelFolder, "fold_\(options.fold)") }

  /// Trains, if there is anything to train, and validates.
  ///
  /// - Parameters:
  ///   - trainingEngine, inferenceEngine: are asked for an engine when one is needed.
  ///   - report: called from several threads, one at a time.
  /// - Returns: the mean Dice of the final validation.
  public func run(
    trainingEngine: () throws -> any TrainingEngine, inferenceEngine: () throws -> any Engine,
    report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> SegmentationSummary {
    let lock = try lockFold(report)
    defer { lock.release() }
    // An engine that is missing is found out before hours of training.
    let engine = try inferenceEngine()
    if options.onlyValidates {
      guard Path.isFile(checkpointPath(CheckpointName.final)) else {
        throw Failure(
          .missingInput, "there is no finished training to validate", file: checkpointPath(CheckpointName.final),
          hint: "leave out --val to train, or finish a training that was interrupted with \(options.continuingOption)")
      }
    } else {
      try train(try trainingEngine(), report)
    }
    return try validate(engine, report)
  }

  func checkpointPath(_ name: String) -> String { Path.join(foldFolder, name) }

  /// Keeps other processes from training or validating the same fold, until it is released, and removes what such a
  /// process has left unfinished.
  ///
  /// Throws `cannotWrite` when one of them has the lock.
  func lockFold(_ report: (TrainingEvent) -> Void) throws -> FolderLock {
    let lock = try FolderLock(foldFolder)
    if let reason = lock.weakness {
      report(
        .note("\(foldFolder) cannot be locked (\(reason)): nothing would stop a second training of this fold"))
    } else {
      Path.removeTree(checkpointPath(Self.temporaryName))
    }
    for folder in [modelFolder, foldFolder] { Leftovers.remove(from: folder) }
    return lock
  }

  func prepareFolders() throws {
    try Path.makeFolder(foldFolder)
    // Other folds may be trained at the same time, so what is there already is left alone.
    func write(_ content: [UInt8], _ name: String) throws {
      let path = Path.join(modelFolder, name)
      if let there = try? Path.read(path), there == content { return }
      try AtomicFile.write(content, to: path)
    }
    try write(Array(task.plans.json.text(indent: 4).utf8), "plans.json")
    try write(Array(task.dataset.json.text(indent: 4).utf8), "dataset.json")
    let fingerprint = Path.join(datasetFolder, "dataset_fingerprint.json")
    if Path.isFile(fingerprint) { try write(try Path.read(fingerprint), "dataset_fingerprint.json") }
  }

  // MARK: Training

  /// - Returns: what the epochs were like; nil where none was left to be done.
  @discardableResult
  func train(
    _ engine: any TrainingEngine, _ report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> TrainingHistory? {
    let checkpoint = try options.continues ? latestCheckpoint(report) : nil
    if !options.continues { warnOfEarlierTraining(report) }
    warnOfRandomSplit(report)
    warnOfSharedCases(report)
    var length = TrainingLength(epochs: options.epochs ?? task.variant.epochs)
    length.iterationsPerEpoch = options.iterationsPerEpoch
    length.validationIterations = options.validationIterations
    length.saveEvery = options.saveEvery
    if let checkpoint, checkpoint.epoch >= length.epochs {
      report(.note("the training was finished before (\(checkpoint.epoch) epochs)"))
      return nil
    }
    let seed = options.seed ?? checkpoint?.position?.seed ?? UInt64.random(in: 0..<1 << 53)
    var parameters = try checkpoint?.parameters ?? ParameterInitialization.parameters(of: task.graph, seed: seed)
    if checkpoint == nil { parameters.merge(try inherited()) { $1 } }
    if let weights = options.pretrainedWeights {
      parameters = try TrainingCheckpoint.pretrained(weights, graph: task.graph, fresh: parameters)
    }
    let network = try engine.makeTrainable(task.graph, parameters: parameters, options: options.compile)
    if let checkpoint { try network.restore(parameters: parameters, state: checkpoint.optimizer) }
    var (learned, judged) = try open(split)
    // Everything has been looked at; only now something is written.
    try prepareFolders()
    let trainer = try Trainer(
      task: task, length: length, network: network, folder: foldFolder, fold: options.fold, checkpoint: checkpoint,
      seed: seed, writesCheckpoints: !options.disablesCheckpoints, report: report)
    trainer.guidance = guidance.value
    trainer.arguments = arguments
    trainer.pool = options.batchPool
    trainer.continuingOption = options.continuingOption
    try announce(engine, network, trainer, length, seed: seed, report)
    repeat {
      // With rotation, so many epochs belong to one fold's cases.
      let turn = options.foldRotation.map { trainer.epoch / $0 } ?? 0
      if turn > 0 {
        (learned, judged) = try open(rotated(turn))
      }
      try trainer.run(
        training: learned, validation: judged,
        previous: previous, workers: options.workers ?? Parallel.coreCount,
        until: options.foldRotation.map { (turn + 1) * $0 })
    } while trainer.epoch < length.epochs
    if options.disablesCheckpoints, !task.variant.isBenchmark { try trainer.save(as: Self.temporaryName, rate: 0) }
    return trainer.history
  }

  /// The cases after so many changes of the fold; after the last fold comes the first.
  private func rotated(_ turn: Int) throws -> CrossValidation.Split {
    let path = Path.join(datasetFolder, CrossValidation.fileName)
    guard let first = Int(options.fold) else {
      throw Failure(.usage, "folds cannot be rotated in a training on fold \(options.fold)")
    }
    let fold = (first + turn) % (try CrossValidation.read(path).count)
    return try CrossValidation.split(fold: "\(fold)", of: cases.identifiers, folder: datasetFolder)
  }

  /// Where the weights are for the final validation when no checkpoints are wanted.
  private static let temporaryName = ".checkpoint_validation.pth"

  private func announce(
    _ engine: any TrainingEngine, _ network: any TrainableNetwork, _ trainer: Trainer, _ length: TrainingLength,
    seed: UInt64, _ report: (TrainingEvent) -> Void
  ) throws {
    let patch = task.configuration.patchSize.map(String.init).joined(separator: "x")
    var lines = [
      "\(task.plans.datasetName) \(task.configuration.name), fold \(options.fold): \(split.train.count) cases train, "
        + "\(split.validation.count) judge",
      "\(task.variant.name), \(task.graph.name), patch \(patch), batches of \(task.batchSize), \(length.epochs) epochs of "
        + "\(length.iterationsPerEpoch) + \(length.validationIterations) batches, seed \(seed)",
      "\(engine.name) \(engine.version), \(network.precision.rawValue)",
    ]
    if let firstStage { lines.append("the first stage is \(firstStage)") }
    for line in lines + network.notes {
      report(.note(line))
      trainer.log.write(line)
    }
    trainer.log.write("This is the configuration used by this training:")
    trainer.log.write(task.configuration.json.text())
    let document: JSONObject = [
      "batch_size": .int(task.batchSize), "configuration_name": .string(task.configuration.name),
      "device": .string(options.compile.device), "dummy_2d": .bool(task.geometry.turnsInPlane),
      "engine": .string("\(engine.name) \(engine.version)"), "fold": .string(options.fold),
      "inference_allowed_mirroring_axes": .array((task.geometry.inferenceMirrorAxes ?? []).map(JSON.int)),
      "initial_patch_size": .array(task.geometry.initialPatch.axes.map(JSON.int)),
      "network": .string(task.graph.name), "num_epochs": .int(length.epochs),
      "num_iterations_per_epoch": .int(length.iterationsPerEpoch),
      "num_val_iterations_per_epoch": .int(length.validationIterations),
      "patch_size": .array(task.configuration.patchSize.map(JSON.int)),
      "precision": .string(network.precision.rawValue), "save_every": .int(length.saveEvery),
      "seed": .string("\(seed)"), "trainer": .string(task.variant.name),
    ]
    try AtomicFile.write(
      Array(JSON.object(document).text(indent: 4, sortedKeys: true).utf8), to: Path.join(foldFolder, "debug.json"))
  }

  // MARK: Validation

  /// Validates with the checkpoint that the options ask for.
  ///
  /// - Parameter adjust: changes how.
  func validate(
    _ engine: any Engine, _ report: @escaping @Sendable (TrainingEvent) -> Void,
    adjust: (inout FinalValidation) -> Void = { _ in }
  ) throws -> SegmentationSummary {
    var name = CheckpointName.final
    if options.validatesBest {
      name = CheckpointName.best
      guard Path.isFile(checkpointPath(name)) else {
        throw Failure(
          .missingInput, "does not exist", file: checkpointPath(name),
          hint: "leave out --val_best to validate with \(CheckpointName.final)")
      }
    }
    if options.disablesCheckpoints, !options.onlyValidates { name = Self.temporaryName }
    defer { Path.removeTree(checkpointPath(Self.temporaryName)) }
    var validation = FinalValidation(
      task: task, modelFolder: modelFolder, fold: options.fold, checkpoint: name, datasetFolder: datasetFolder,
      savesProbabilities: options.savesProbabilities, compile: options.inference, previous: previous)
    validation.mirrors = options.mirrorsValidation
    adjust(&validation)
    return try validation.run(cases: try open(split.validation), engine: engine, report: report)
  }
}
