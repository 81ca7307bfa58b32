import Basics

extension TrainingRun {
  /// The checkpoint to go on with: that of a finished training, else the latest, else the best. The best one is taken
  /// before the latest where it is of the same training and has come further.
  ///
  /// A file that is damaged (not every program writes checkpoints whole or not at all) is passed over with a warning.
  /// Throws `badInput` when a checkpoint belongs to another network, and when none that is there can be read.
  func latestCheckpoint(_ report: (TrainingEvent) -> Void) throws -> TrainingCheckpoint? {
    var damage: Failure?
    func read(_ name: String) throws -> TrainingCheckpoint? {
      let path = checkpointPath(name)
      guard Path.isFile(path) else { return nil }
      do {
        return try TrainingCheckpoint.read(path, graph: task.graph)
      } catch let failure as Failure where !TrainingCheckpoint.isReadable(path) {
        damage = damage ?? failure
        report(.warning("\(failure)"))
        return nil
      }
    }
    var (found, name) = (try read(CheckpointName.final), CheckpointName.final)
    if found == nil {
      (found, name) = (try read(CheckpointName.latest), CheckpointName.latest)
      if let best = try read(CheckpointName.best), found.map({ best.isFurther(than: $0) }) ?? true {
        (found, name) = (best, CheckpointName.best)
      }
    }
    guard let found else {
      if let damage { throw damage }
      report(.warning("there is no checkpoint in \(foldFolder) to continue with; a new training begins"))
      return nil
    }
    report(.note("continuing with \(checkpointPath(name))"))
    return found
  }

  /// A new training takes the place of an earlier one, which may not be what was meant.
  func warnOfEarlierTraining(_ report: (TrainingEvent) -> Void) {
    let names = [CheckpointName.final, CheckpointName.latest].filter { Path.isFile(checkpointPath($0)) }
    guard let name = names.first, !options.disablesCheckpoints else { return }
    report(
      .warning(
        "\(checkpointPath(name)) is of an earlier training, which is replaced; \(options.continuingOption) would go on "
          + "with it"))
  }
}

extension TrainingCheckpoint {
  /// Whether this is the same training as `other`, at a later time.
  fileprivate func isFurther(than other: TrainingCheckpoint) -> Bool {
    guard let position, let there = other.position, position.seed == there.seed else { return false }
    return (epoch, position.iteration) > (other.epoch, there.iteration)
  }
}
