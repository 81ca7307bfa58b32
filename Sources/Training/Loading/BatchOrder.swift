/// Which batches follow each other: those of training, then those of validation, epoch after epoch.
public struct BatchOrder: Sendable, Equatable {
  public var trainingPerEpoch: Int
  public var validationPerEpoch: Int
  /// Batches that training and validation have had before this run.
  public var trainingStart = 0
  public var validationStart = 0
  /// Training batches of the first epoch that are done already.
  public var iteration = 0
  /// Epochs to come, the one begun included.
  public var epochs: Int
  /// After so many training batches the first comes again; nil: none ever does.
  public var pool: Int?

  /// The number of batches to come.
  var count: Int { max(0, epochs * (trainingPerEpoch + validationPerEpoch) - iteration) }

  /// The phase of batch `number` of this run, and its index among all batches of that phase.
  func batch(_ number: Int) -> (phase: SamplePreparation.Phase, index: Int) {
    let (epoch, place) = (number + iteration).quotientAndRemainder(dividingBy: trainingPerEpoch + validationPerEpoch)
    if place < trainingPerEpoch {
      let index = trainingStart + epoch * trainingPerEpoch + place - iteration
      return (.training, pool.map { index % $0 } ?? index)
    }
    return (.validation, validationStart + epoch * validationPerEpoch + place - trainingPerEpoch)
  }
}
