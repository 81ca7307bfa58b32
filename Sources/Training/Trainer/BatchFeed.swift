/// The batches of a training one after the other, the next one begun while the one before is at work where that helps.
final class BatchFeed {
  let loader: BatchLoader
  private let step: any BatchStep
  private var begun: TrainingBatch?

  init(_ loader: BatchLoader, _ step: any BatchStep) {
    self.loader = loader
    self.step = step
  }

  /// The next batch, which belongs to the caller until `giveBack`. Throws what making it threw.
  func next() throws -> TrainingBatch {
    defer { begun = nil }
    return try begun ?? loader.next()
  }

  /// Begins with the batch that comes next. To be called when the device has been given all it needs for the batch at
  /// work, and before it is waited for: from then on it has the next one to go on with.
  func readAhead() throws {
    guard step.readsAhead, begun == nil, loader.hasNext else { return }
    let batch = try loader.next()
    begun = batch
    try step.begin(batch)
  }

  /// Hands back the batch at work, when the device has been waited for.
  func giveBack() { loader.giveBack() }
}
