import Checkpoints

/// What training has written down, one entry an epoch, under the names of nnU-Net's checkpoints.
public struct TrainingHistory: Sendable, Equatable {
  public var trainingLosses: [Double] = []
  public var validationLosses: [Double] = []
  public var rates: [Double] = []
  /// The mean over classes of the Dice over an epoch's validation patches.
  public var meanDice: [Double] = []
  /// Its exponential moving average.
  public var smoothedDice: [Double] = []
  /// By class or region.
  public var dice: [[Double]] = []
  /// Seconds since 1970.
  public var starts: [Double] = []
  public var ends: [Double] = []

  public init() {}

  /// The number of finished epochs.
  public var count: Int { ends.count }

  /// Adds the Dice of an epoch. A moving average that is not a number is begun anew, so that one epoch in which no class
  /// occurred does not spoil all that follow.
  mutating func append(dice values: [Double]) {
    let present = values.filter { !$0.isNaN }
    let mean = present.isEmpty ? Double.nan : present.reduce(0, +) / Double(present.count)
    let before = smoothedDice.last { !$0.isNaN }
    let smoothed: Double
    if let before {
      smoothed = mean.isNaN ? before : 0.9 * before + 0.1 * mean
    } else {
      smoothed = mean
    }
    dice.append(values)
    meanDice.append(mean)
    smoothedDice.append(smoothed)
  }

  /// As nnU-Net keeps it under `logging`.
  var pickled: PickleValue {
    func list(_ values: [Double]) -> PickleValue { .list(values.map(PickleValue.float)) }
    return .dictionary(
      PickleDictionary([
        ("mean_fg_dice", list(meanDice)), ("ema_fg_dice", list(smoothedDice)),
        ("dice_per_class_or_region", .list(dice.map(list))), ("train_losses", list(trainingLosses)),
        ("val_losses", list(validationLosses)), ("lrs", list(rates)), ("epoch_start_timestamps", list(starts)),
        ("epoch_end_timestamps", list(ends)),
      ]))
  }

  /// Reads `logging`; lists that are missing stay empty.
  init(pickled: PickleValue?, epochs: Int) {
    func numbers(_ value: PickleValue?) -> [Double] { (value?.sequence ?? []).map { $0.number ?? .nan } }
    func list(_ key: String) -> [Double] { Array(numbers(pickled?[key]).prefix(epochs)) }
    meanDice = list("mean_fg_dice")
    smoothedDice = list("ema_fg_dice")
    dice = Array((pickled?["dice_per_class_or_region"]?.sequence ?? []).prefix(epochs).map { numbers($0) })
    trainingLosses = list("train_losses")
    validationLosses = list("val_losses")
    rates = list("lrs")
    starts = list("epoch_start_timestamps")
    ends = list("epoch_end_timestamps")
  }
}

extension PickleValue {
  /// A number, also one that NumPy or PyTorch has made.
  var number: Double? { double ?? tensor.flatMap { $0.count == 1 ? $0.doubles().first : nil } }
}
