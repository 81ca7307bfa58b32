/// What happens during training, in order, for whoever watches.
public enum TrainingEvent: Sendable {
  /// A sentence for the user.
  case note(String)
  case warning(String)
  /// So many iterations of an epoch are done, validation included; `secondsLeft` is for the whole training.
  case advanced(epoch: Int, epochs: Int, done: Int, total: Int, loss: Double, secondsLeft: Double)
  case finishedEpoch(EpochSummary)
  /// The final validation.
  case validating(identifier: String, number: Int, of: Int)
  /// The mean Dice of the final validation.
  case validated(meanDice: Double, summary: String)
}

/// An epoch in numbers.
public struct EpochSummary: Sendable, Equatable {
  /// Counted from 0.
  public var epoch: Int
  public var epochs: Int
  public var rate: Double
  public var trainingLoss: Double
  public var validationLoss: Double
  /// Pseudo Dice by class or region.
  public var dice: [Double]
  /// Whether the moving average of the Dice was the best so far.
  public var isBest: Bool
  public var seconds: Double
  public var iterationsPerSecond: Double
  /// The share of the time in which the network waited for batches.
  public var waitingShare: Double
  public var secondsLeft: Double
}

/// How long and how often; the defaults are nnU-Net's.
public struct TrainingLength: Sendable, Equatable {
  public var epochs: Int
  public var iterationsPerEpoch = 250
  public var validationIterations = 50
  /// Epochs between two writings of checkpoint_latest.pth.
  public var saveEvery = 50

  public init(epochs: Int) { self.epochs = epochs }
}
