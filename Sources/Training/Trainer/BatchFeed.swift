/// The batches of a training one after the other, the next one begun while the one before is at work where that helps.
final class BatchFeed {
  let loader: BatchLoader
  private let step: any BatchStep
  /// Batches the loader has still to give.
  private var rest: Int
  private var begun: TrainingBatch?

  /// - Parameter count: how many batches there are.
  init(_ loader: BatchLoader, _ step: any BatchStep, count: Int) {
    self.loader = loader
    self.step = step
    rest = count
  }

  /// The next batch, which belongs to the caller until `giveBack`. Throws what making it threw.
  func next() throws -> TrainingBatch {
    defer { begun = nil }
    return try begun ?? take()
  }

  private func take() throws -> TrainingBatch {
    rest -= 1
    return try loader.next()
  }

  /// Begins with the batch that comes next. To be called when the device has been given all it needs for the batch at
  /// work, and before it is waited for: from then on it has the next one to go on with.
  func readAhead() throws {
    guard step.readsAhead, begun == nil, rest > 0 else { return }
    let batch = try take()
    begun = batch
    try step.begin(batch)
  }

  /// Hands back the batch at work, when the device has been waited for.
  func giveBack() { loader.giveBack() }
}
