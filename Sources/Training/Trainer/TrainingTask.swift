import Basics
import Imaging
import NNUNet
import Networks

/// What is to be trained: everything that follows from the plans, the dataset and the trainer's name.
public struct TrainingTask: Sendable {
  public let plans: Plans
  public let dataset: DatasetDescription
  public let configuration: Configuration
  public let variant: TrainerVariant
  public let batchSize: Int
  public let batchDice: Bool
  public let network: UNetConfiguration
  /// With all its outputs, finest first.
  public let graph: Graph
  public let geometry: AugmentationGeometry
  public let supervision: DeepSupervision
  public let meaning: OutputMeaning

  /// Throws `usage` for an unknown configuration and `badInput` when the plans contradict themselves or the dataset.
  public init(plans: Plans, dataset: DatasetDescription, configuration name: String, variant: TrainerVariant) throws {
    guard plans.configurationNames.contains(name) else {
      throw Failure(
        .usage, "the plans have no configuration \"\(name)\"",
        hint: "there are \(plans.configurationNames.joined(separator: ", "))")
    }
    let configuration = try plans.configuration(name)
    guard dataset.labels.hasRegions || dataset.labels.isConsecutive else {
      throw Failure(.badInput, "the labels are not consecutive numbers from 0, which training needs")
    }
    guard configuration.normalizations.count >= dataset.channelCount else {
      throw Failure(
        .badInput,
        "the plans normalise \(configuration.normalizations.count) channels, the dataset has \(dataset.channelCount)")
    }
    guard let batchSize = configuration.json["batch_size"]?.int, (1...4096).contains(batchSize) else {
      throw Failure(.badInput, "configuration \"\(name)\": \"batch_size\" is missing or not a positive number")
    }
    self.plans = plans
    self.dataset = dataset
    self.configuration = configuration
    self.variant = variant
    self.batchSize = variant.batchSize ?? batchSize
    batchDice = configuration.json["batch_dice"]?.bool ?? false
    network = try Self.network(configuration, dataset, variant)
    graph = try network.makeTrainingGraph()
    geometry = AugmentationGeometry(patch: configuration.patchSize, variant: variant)
    let whole = DeepSupervision(patch: geometry.patch, strides: network.strides)
    supervision = variant.deepSupervision ? whole : whole.onlyFinest
    meaning = OutputMeaning(dataset.labels)
    if variant.entropy == .largestTenth || !variant.usesDice, dataset.labels.hasRegions {
      throw Failure(.usage, "the trainer \(variant.name) cannot be used with regions")
    }
    // A patch that the network cannot halve and double again is found out before anything else.
    _ = try graph.shapes(forInput: [self.batchSize, network.inputChannels] + configuration.patchSize)
  }

  private static func network(
    _ configuration: Configuration, _ dataset: DatasetDescription, _ variant: TrainerVariant
  ) throws -> UNetConfiguration {
    var network = try configuration.network(for: dataset)
    if variant.batchNormalization, case .instance(let epsilon, let affine) = network.normalization {
      network.normalization = .batch(epsilon: epsilon, affine: affine)
    }
    return network
  }

  /// The loss of one output.
  public var loss: SegmentationLoss {
    var loss = SegmentationLoss(meaning: meaning, ignore: dataset.labels.ignore, batchDice: batchDice)
    loss.entropy = variant.entropy
    loss.usesDice = variant.usesDice
    loss.smooth = variant.smooth
    loss.labelSmoothing = variant.labelSmoothing
    return loss
  }

  /// The shape of a batch as the network takes it.
  public var inputShape: [Int] { [batchSize, network.inputChannels] + configuration.patchSize }

  /// How samples are made.
  public func preparation(
    _ phase: SamplePreparation.Phase, cases: [any PreprocessedCase], previous: PreviousSegmentations?, seed: UInt64
  ) -> SamplePreparation {
    SamplePreparation(
      phase: phase, cases: cases, previous: previous, geometry: geometry, sampling: variant.sampling,
      batchSize: batchSize, imageChannels: dataset.channelCount,
      previousLabels: previous == nil ? [] : dataset.labels.foregroundLabels,
      maskedChannels: maskedChannels,
      variant: variant, hasIgnoreLabel: dataset.labels.ignore != nil,
      highestLabel: Int16(clamping: dataset.labels.highest), seed: seed)
  }

  /// Channels that are 0 outside of what was not zero in the image.
  var maskedChannels: [Bool] { configuration.normalizations.map { $0 == .zScore(masked: true) } }

  /// Memory for a batch.
  ///
  /// Parameters as `TrainingBatch` has them.
  func makeBatch(finished: Bool = true, pinned: PinnedMemorySource? = nil) -> TrainingBatch {
    TrainingBatch(
      size: batchSize, channels: network.inputChannels, patch: geometry.patch,
      labelShapes: Array(supervision.shapes.prefix(supervision.weights.count { $0 != 0 })), finished: finished,
      pinned: pinned)
  }
}

extension DeepSupervision {
  /// All weight on the finest output.
  var onlyFinest: DeepSupervision {
    DeepSupervision(shapes: shapes, weights: shapes.indices.map { $0 == 0 ? 1 : 0 })
  }
}
