import Basics

/// Everything that defines a U-Net of the nnU-Net family, except its weights. 2D and 3D share it.
///
/// Stages count from 0, the full resolution, to the bottleneck. Decoder steps count from 0, the step that leaves the
/// bottleneck, so decoder step u works at the resolution of stage `stageCount - 2 - u`.
public struct UNetConfiguration: Sendable, Equatable {
  /// The three families, by the names nnU-Net's plans give them.
  public enum Family: String, Sendable, CaseIterable {
    /// Stacks of convolutions down and up.
    case plain = "PlainConvUNet"
    /// Residual blocks down, stacks of convolutions up.
    case residualEncoder = "ResidualEncoderUNet"
    /// Residual blocks down and up.
    case residual = "ResidualUNet"
  }

  /// What a residual block of the encoder is made of. Decoders always use basic blocks.
  public enum Block: Sendable, Equatable {
    /// Two convolutions.
    case basic
    /// 1x1 down to so many channels (one number per stage), a convolution, 1x1 up again.
    case bottleneck(channels: [Int])
  }

  public struct Dropout: Sendable, Equatable {
    public var probability: Double
    /// Whether whole channels of a sample are dropped, and not single voxels.
    public var dropsChannels: Bool
    /// As the plans call it.
    public var name: String
  }

  public enum Normalization: Sendable, Equatable {
    case none
    case instance(epsilon: Double, affine: Bool)
    case batch(epsilon: Double, affine: Bool)
  }

  public var family: Family
  /// 2 or 3.
  public var spatialRank: Int
  public var inputChannels: Int
  /// The number of logit maps: classes with background, or regions.
  public var outputChannels: Int
  /// The channels of each stage.
  public var features: [Int]
  /// One kernel size per spatial axis for each stage.
  public var kernels: [[Int]]
  /// By how much each stage shrinks each spatial axis on entry.
  public var strides: [[Int]]
  /// Convolutions (plain) or residual blocks in each stage of the encoder.
  public var blocksPerStage: [Int]
  /// Convolutions (plain, residual encoder) or residual blocks (residual) in each step of the decoder.
  public var blocksPerDecoderStep: [Int]
  /// The kernels of each decoder step; nnU-Net v2 takes those of the stage at the same resolution.
  public var decoderKernels: [[Int]]
  public var convolutionBias = true
  /// Whether transposed convolutions have a bias; nnU-Net v2 does as it does for convolutions, v1 never has one.
  public var transposedConvolutionBias = true
  /// Whether the final 1x1 convolutions have a bias; always in nnU-Net v2, never in v1.
  public var headBias = true
  public var normalization = Normalization.instance(epsilon: 1e-5, affine: true)
  /// The slope of the leaky ReLU; 0 is the plain ReLU, nil no activation at all.
  public var slope: Double? = 0.01
  /// Plain networks only: convolution, activation, normalisation instead of convolution, normalisation, activation.
  public var activationFirst = false
  /// Only while training, behind the convolutions before a normalisation.
  public var dropout: Dropout?
  public var block = Block.basic
  /// The channels of the stem of a residual encoder; nil for those of stage 0.
  public var stemChannels: Int?

  /// - Parameters:
  ///   - kernels: one list per stage, one number per axis.
  ///   - strides: as `kernels`.
  ///
  /// Nothing is checked here; `makeGraph` does.
  public init(
    family: Family = .plain, spatialRank: Int, inputChannels: Int, outputChannels: Int, features: [Int],
    kernels: [[Int]], strides: [[Int]], blocksPerStage: [Int], blocksPerDecoderStep: [Int]
  ) {
    self.family = family
    self.spatialRank = spatialRank
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.features = features
    self.kernels = kernels
    self.strides = strides
    self.blocksPerStage = blocksPerStage
    self.blocksPerDecoderStep = blocksPerDecoderStep
    decoderKernels = kernels.dropLast().reversed()
  }

  public var stageCount: Int { features.count }
}

extension UNetConfiguration {
  /// Throws `badInput` when lists have the wrong length or numbers are out of any reasonable range.
  public func validate() throws {
    func check(_ condition: Bool, _ message: @autoclosure () -> String) throws {
      guard condition else { throw Failure(.badInput, "the network's description is not usable: \(message())") }
    }
    // The upper bounds are far beyond any real network; they keep products of these numbers within 64 bits.
    let channelRange = 1...65_536
    func checkAxes(_ what: String, _ lists: [[Int]], count: Int) throws {
      try check(lists.count == count, "it has \(lists.count) \(what) for \(count) stages")
      for list in lists {
        try check(list.count == spatialRank, "\(what) \(list) do not have \(spatialRank) numbers")
        try check(list.allSatisfy((1...64).contains), "\(what) \(list) are out of range")
      }
    }
    func checkCounts(_ what: String, _ counts: [Int], count: Int, range: ClosedRange<Int>) throws {
      try check(counts.count == count, "it has \(counts.count) \(what), not \(count)")
      try check(counts.allSatisfy(range.contains), "\(what) \(counts) are out of range")
    }
    try check((2...3).contains(spatialRank), "\(spatialRank) spatial axes; 2 and 3 are supported")
    try check((2...32).contains(stageCount), "\(stageCount) stage(s); between 2 and 32 are supported")
    try check(channelRange.contains(inputChannels), "\(inputChannels) input channels")
    try check(channelRange.contains(outputChannels), "\(outputChannels) output channels")
    try checkCounts("features per stage", features, count: stageCount, range: channelRange)
    try checkAxes("kernel sizes", kernels, count: stageCount)
    try checkAxes("strides", strides, count: stageCount)
    try checkAxes("decoder kernel sizes", decoderKernels, count: stageCount - 1)
    try checkCounts("blocks per stage", blocksPerStage, count: stageCount, range: 1...1024)
    try checkCounts("blocks per decoder step", blocksPerDecoderStep, count: stageCount - 1, range: 1...1024)
    if case .bottleneck(let channels) = block {
      try checkCounts("bottleneck channels", channels, count: stageCount, range: channelRange)
    }
    if let stemChannels { try check(channelRange.contains(stemChannels), "\(stemChannels) stem channels") }
    if family != .plain { try check(!activationFirst, "residual networks cannot put the activation first") }
  }
}
