import Basics
import Engines
import NNUNet
import Networks

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The names of nnU-Net's checkpoints.
public enum CheckpointName {
  public static let latest = "checkpoint_latest.pth"
  public static let best = "checkpoint_best.pth"
  public static let final = "checkpoint_final.pth"
}

extension Trainer {
  /// The training as it stands.
  func checkpoint() throws -> TrainingCheckpoint {
    TrainingCheckpoint(
      parameters: try network.parameters(), optimizer: try network.optimizerState(), lossScale: lossScale,
      history: history, bestDice: bestDice, epoch: epoch, position: position, trainerName: task.variant.name,
      mirrorAxes: task.geometry.inferenceMirrorAxes)
  }

  /// Writes the training as it stands. Throws `cannotWrite`; what was there stays then.
  public func save(as name: String, rate: Double) throws {
    let origin = TrainingCheckpoint.Origin(
      plans: task.plans.json, dataset: task.dataset.json, configuration: task.configuration.name, fold: fold,
      rule: task.variant.rule(rate: task.variant.rate), normFollowsActivation: task.network.activationFirst,
      arguments: arguments)
    do {
      try checkpoint().write(to: Path.join(folder, name), graph: task.graph, origin: origin, rate: rate)
    } catch var failure as Failure where failure.kind == .cannotWrite {
      log.write("\(failure)")
      failure.hint = "make room; \(survivors); \(continuingOption) goes on from there"
      throw failure
    }
  }

  /// The checkpoints there are, for somebody whose training has stopped.
  var survivors: String {
    let kept = [CheckpointName.latest, CheckpointName.best].map { Path.join(folder, $0) }.filter(Path.isFile)
    return kept.isEmpty ? "no checkpoint had been written yet" : "unharmed: \(kept.joined(separator: ", "))"
  }

  /// What an epoch's end calls for.
  func saveEpoch(isBest: Bool, rate: Double) throws {
    guard writesCheckpoints else { return }
    if isBest { try save(as: CheckpointName.best, rate: rate) }
    if epoch == 1, epoch < length.epochs { forgetEarlierTraining() }
    if epoch == length.epochs {
      try save(as: CheckpointName.final, rate: rate)
      unlink(Path.join(folder, CheckpointName.latest))
    } else if epoch % max(1, length.saveEvery) == 0 {
      try save(as: CheckpointName.latest, rate: rate)
      // That of a training which is now made longer.
      unlink(Path.join(folder, CheckpointName.final))
    }
  }

  /// Removes the last word of a training that this one replaces, so that nobody continues that one by mistake.
  private func forgetEarlierTraining() {
    for name in [CheckpointName.final, CheckpointName.latest] { unlink(Path.join(folder, name)) }
  }

  /// Leaves a checkpoint and throws `interrupted` when the user has asked to stop.
  func stopIfAsked(rate: Double) throws {
    guard Interruption.isRequested else { return }
    log.write("Stopped by the user in epoch \(epoch), iteration \(position.iteration).")
    guard writesCheckpoints else { throw Failure(.interrupted, "stopped by the user") }
    let earlier = [CheckpointName.final, CheckpointName.latest, CheckpointName.best].map { Path.join(folder, $0) }
    if isNew, epoch == 0, earlier.contains(where: Path.isFile) {
      // Whoever stops so soon may have meant to continue the training that is already there.
      throw Failure(
        .interrupted, "stopped by the user", file: folder,
        hint: "the checkpoints of the earlier training are untouched; \(continuingOption) goes on with it")
    }
    try save(as: CheckpointName.latest, rate: rate)
    unlink(Path.join(folder, CheckpointName.final))
    throw Failure(
      .interrupted, "stopped by the user", file: Path.join(folder, CheckpointName.latest),
      hint: "\(continuingOption) goes on exactly where this training stopped")
  }
}
