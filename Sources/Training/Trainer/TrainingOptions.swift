import Engines

/// What to train, and how; the defaults are those of `nnUNetv2_train`.
public struct TrainingOptions: Sendable {
  /// Name or number.
  public var dataset: String
  public var configuration: String
  /// A number or "all".
  public var fold: String
  public var trainer = "nnUNetTrainer"
  public var plans = "nnUNetPlans"
  /// A checkpoint whose weights, output layers apart, are begun with.
  public var pretrainedWeights: String?
  /// Go on with an earlier training.
  public var continues = false
  /// What the command that trains calls the option for that, for advice.
  public var continuingOption = "--c"
  /// Only repeat the final validation.
  public var onlyValidates = false
  /// Validate with the best checkpoint instead of the last.
  public var validatesBest = false
  public var savesProbabilities = false
  public var disablesCheckpoints = false
  /// Nil for those of the trainer.
  public var epochs: Int?
  public var iterationsPerEpoch = 250
  public var validationIterations = 50
  public var saveEvery = 50
  /// Draw so many training batches once and use them again and again; nil: every batch is new.
  public var batchPool: Int?
  /// Go on with the next fold's cases after so many epochs; nil: stay with `fold`.
  public var foldRotation: Int?
  /// Whether the final validation averages over mirrored patches.
  public var mirrorsValidation = true
  /// Nil for one that nobody knows before.
  public var seed: UInt64?
  /// Threads that prepare batches; nil for one a core.
  public var workers: Int?
  public var compile = CompileOptions()
  /// For the final validation.
  public var inference = CompileOptions()

  public init(dataset: String, configuration: String, fold: String) {
    self.dataset = dataset
    self.configuration = configuration
    // 00 is fold 0 too.
    self.fold = Int(fold).map(String.init) ?? fold
  }
}
