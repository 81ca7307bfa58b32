import Basics
import Checkpoints
import Engines
import Imaging
import NNUNet
import Networks

/// Trains a network: epochs of batches, their losses, the pseudo Dice, checkpoints and the log.
public final class Trainer {
  let task: TrainingTask
  let length: TrainingLength
  let network: any TrainableNetwork
  /// `fold_X`
  let folder: String
  let fold: String
  let writesCheckpoints: Bool
  /// Not continued from a checkpoint.
  let isNew: Bool
  var history: TrainingHistory
  var bestDice: Double?
  /// Finished epochs.
  public internal(set) var epoch: Int
  var position: TrainingCheckpoint.Position
  let log: TrainingLog
  let report: (TrainingEvent) -> Void
  /// What guides the training beside the labels.
  var guidance: (any TrainingGuidance)?
  /// See `TrainingCheckpoint.Origin`.
  var arguments: JSONObject = [:]
  /// See `BatchOrder.pool`.
  var pool: Int?
  /// See `TrainingOptions.continuingOption`.
  var continuingOption = "--c"
  /// For tests: as if the processor were a device with a memory of its own.
  var finishesOnDevice = false
  /// Of training in half precision.
  var lossScale: LossScale?
  /// Updates in a row that were left out because the gradient was not finite.
  private var skipped = 0

  /// - Parameters:
  ///   - network: with the parameters to begin with.
  ///   - folder: `fold_X`, which exists.
  ///   - checkpoint: where a training stands that is continued; nil for a new one.
  ///   - seed: names the random numbers of a new training.
  public init(
    task: TrainingTask, length: TrainingLength, network: any TrainableNetwork, folder: String, fold: String,
    checkpoint: TrainingCheckpoint?, seed: UInt64, writesCheckpoints: Bool = true,
    report: @escaping (TrainingEvent) -> Void
  ) throws {
    self.task = task
    self.length = length
    self.network = network
    self.folder = folder
    self.fold = fold
    self.writesCheckpoints = writesCheckpoints
    isNew = checkpoint == nil
    self.report = report
    history = checkpoint?.history ?? TrainingHistory()
    bestDice = checkpoint?.bestDice
    epoch = checkpoint?.epoch ?? 0
    var position = checkpoint?.position ?? TrainingCheckpoint.Position(seed: seed)
    if checkpoint != nil, checkpoint?.position == nil {
      // Another program's checkpoint: go on with numbers that have not been used.
      position.trainingBatches = epoch * length.iterationsPerEpoch
      position.validationBatches = epoch * length.validationIterations
    }
    if position.iteration >= length.iterationsPerEpoch {
      position.iteration = length.iterationsPerEpoch
    }
    self.position = position
    log = try TrainingLog(folder: folder)
    if network.precision == .fp16 { lossScale = checkpoint?.lossScale ?? LossScale() }
    try checkpoint?.optimizer.check(against: task.variant.optimizer)
  }

  /// Trains to the end and writes checkpoint_final.pth, or trains `until` so many epochs are finished.
  ///
  /// Throws `interrupted` after checkpoint_latest.pth has been written when the user asks to stop; `badInput` when the
  /// loss is not a number any more; whatever the engine, reading and writing throw.
  public func run(
    training: [any PreprocessedCase], validation: [any PreprocessedCase], previous: PreviousSegmentations?,
    workers: Int = Parallel.coreCount, until: Int? = nil
  ) throws {
    let end = min(until ?? length.epochs, length.epochs)
    guard epoch < end else { return }
    let step = makeStep(isCascade: previous != nil)
    let feed = makeFeed(step, training, validation, previous, workers, end: end)
    defer { feed.loader.stop() }
    var waited = 0.0
    while epoch < end {
      try runEpoch(feed, step, &waited)
    }
    if end == length.epochs { log.write("Training done.") }
  }

  /// On the network's device where nothing needs the processor.
  private func makeStep(isCascade: Bool) -> any BatchStep {
    if guidance == nil, !isCascade, let step = DeviceStep(task, network, anywhere: finishesOnDevice) { return step }
    return HostStep(task, network, guidance: guidance)
  }

  private func makeFeed(
    _ step: any BatchStep, _ training: [any PreprocessedCase], _ validation: [any PreprocessedCase],
    _ previous: PreviousSegmentations?, _ workers: Int, end: Int
  ) -> BatchFeed {
    var order = BatchOrder(
      trainingPerEpoch: length.iterationsPerEpoch, validationPerEpoch: length.validationIterations,
      epochs: end - epoch)
    order.pool = pool
    order.trainingStart = position.trainingBatches + position.iteration
    order.validationStart = position.validationBatches
    order.iteration = position.iteration
    let bytes = TrainingBatch.byteCount(
      size: task.batchSize, channels: task.network.inputChannels, patch: task.geometry.patch)
    // Small batches may pile up to ride out a run of expensive samples; of large ones one is enough, beside those at work.
    let ahead = min(16, max(step.readsAhead ? 3 : 2, (256 << 20) / max(1, bytes)))
    let loader = BatchLoader(
      training: task.preparation(.training, cases: training, previous: previous, seed: position.seed),
      validation: task.preparation(.validation, cases: validation, previous: previous, seed: position.seed),
      order: order, ahead: ahead, workers: workers
    ) { step.makeBatch() }
    return BatchFeed(loader, step)
  }

  private func runEpoch(_ feed: BatchFeed, _ step: any BatchStep, _ waited: inout Double) throws {
    let start = Clock.seconds()
    var clock = Stopwatch()
    let rate = task.variant.schedule.rate(epoch: epoch, of: length.epochs, initial: task.variant.rate)
    log.write("")
    log.write("Epoch \(epoch)")
    log.write("Current learning rate: \(rate.decimals(5))")
    let first = position.iteration
    let trainingLoss = try train(feed, step, rate: rate)
    let (validationLoss, dice) = try validate(feed, step)

    history.append(dice: dice)
    history.rates.append(rate)
    history.trainingLosses.append(trainingLoss)
    history.validationLosses.append(validationLoss)
    history.starts.append(start)
    history.ends.append(Clock.seconds())
    position.trainingBatches += length.iterationsPerEpoch
    position.validationBatches += length.validationIterations
    (position.iteration, position.lossSum) = (0, 0)
    let smoothed = history.smoothedDice.last ?? .nan
    let isBest = smoothed > (bestDice ?? -.infinity)
    if isBest { bestDice = smoothed }
    epoch += 1

    let seconds = clock.lap()
    let iterations = length.iterationsPerEpoch - first + length.validationIterations
    let summary = EpochSummary(
      epoch: epoch - 1, epochs: length.epochs, rate: rate, trainingLoss: trainingLoss, validationLoss: validationLoss,
      dice: dice, isBest: isBest, seconds: seconds, iterationsPerSecond: Double(iterations) / max(seconds, 1e-9),
      waitingShare: (feed.loader.waited - waited) / max(seconds, 1e-9), secondsLeft: secondsLeft)
    waited = feed.loader.waited
    write(summary)
    try saveEpoch(isBest: isBest, rate: rate)
    try? ProgressChart(history).write(to: Path.join(folder, "progress.png"))
    report(.finishedEpoch(summary))
  }

  /// Seconds the epochs to come will take, as long as the last few took.
  private var secondsLeft: Double {
    let recent = zip(history.starts, history.ends).suffix(5).map { $1 - $0 }
    return recent.reduce(0, +) / Double(max(1, recent.count)) * Double(length.epochs - epoch)
  }

  private func write(_ summary: EpochSummary) {
    log.write("train_loss \(summary.trainingLoss.decimals(4))")
    for line in guidance?.summary(trainingLoss: summary.trainingLoss) ?? [] { log.write(line) }
    log.write("val_loss \(summary.validationLoss.decimals(4))")
    log.write("Pseudo dice [\(summary.dice.map { $0.decimals(4) }.joined(separator: ", "))]")
    log.write("Epoch time: \(summary.seconds.decimals(2)) s")
    if summary.isBest { log.write("Yayy! New best EMA pseudo Dice: \((bestDice ?? .nan).decimals(4))") }
  }

  // MARK: One epoch

  /// The rest of the epoch's training batches; the mean loss of all of them.
  private func train(_ feed: BatchFeed, _ step: any BatchStep, rate: Double) throws -> Double {
    var rule = task.variant.rule(rate: rate)
    var pace = Pace()
    while position.iteration < length.iterationsPerEpoch {
      try stopIfAsked(rate: rate)
      let batch = try feed.next()
      network.seedDropout(dropoutSeed)
      let loss = try step.evaluate(batch, scale: lossScale?.scale ?? 1)
      guard loss.isFinite else { throw diverged("the loss is \(loss.isNaN ? "not a number" : "infinite")") }
      try step.differentiate()
      try feed.readAhead()
      rule.gradientFactor = 1 / (lossScale?.scale ?? 1)
      let norm = try network.update(rule)
      lossScale?.follow(isFinite: norm.isFinite)
      feed.giveBack()
      skipped = norm.isFinite ? 0 : skipped + 1
      guard skipped < 20 else { throw diverged("the gradients of 20 iterations in a row were not finite numbers") }
      position.iteration += 1
      position.lossSum += loss
      advance(position.iteration, loss: position.lossSum / Double(position.iteration), &pace)
    }
    return position.lossSum / Double(max(1, length.iterationsPerEpoch))
  }

  /// Of the iteration that comes next, the same after an interruption.
  private var dropoutSeed: UInt64 {
    let iteration = UInt64(truncatingIfNeeded: position.trainingBatches + position.iteration)
    // An odd factor that leaves the sequences of two iterations apart.
    return position.seed ^ iteration &* 0xD134_2543_DE82_EF95
  }

  private func validate(_ feed: BatchFeed, _ step: any BatchStep) throws -> (loss: Double, dice: [Double]) {
    var counts = OverlapCounts(task.meaning)
    var sum = 0.0
    var pace = Pace()
    for iteration in 0..<length.validationIterations {
      try stopIfAsked(rate: task.variant.rate)
      let batch = try feed.next()
      sum += try step.validate(batch, &counts)
      feed.giveBack()
      advance(
        length.iterationsPerEpoch + iteration + 1, loss: position.lossSum / Double(max(1, position.iteration)), &pace)
    }
    return (sum / Double(max(1, length.validationIterations)), counts.dice)
  }

  /// The time iterations take, for the time left.
  private struct Pace {
    private var clock = Stopwatch()
    private var seconds = 0.0
    private var count = 0

    mutating func next() -> Double {
      seconds += clock.lap()
      count += 1
      return seconds / Double(count)
    }
  }

  private func advance(_ done: Int, loss: Double, _ pace: inout Pace) {
    let total = length.iterationsPerEpoch + length.validationIterations
    let left = (length.epochs - epoch) * total - done
    report(
      .advanced(
        epoch: epoch, epochs: length.epochs, done: done, total: total, loss: loss,
        secondsLeft: pace.next() * Double(left)))
  }

  private func diverged(_ what: String) -> Failure {
    log.write("\(what); training stops.")
    return Failure(
      .badInput, "\(what) in epoch \(epoch), iteration \(position.iteration); training stops", file: folder,
      hint: survivors
        + "; look for images with extreme or missing values, and train in fp32 if this was half precision")
  }
}
