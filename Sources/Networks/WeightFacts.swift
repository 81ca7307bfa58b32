import Basics
import Checkpoints

/// What the shapes and names of a U-Net's trained parameters say about it, whatever the plans say.
public struct WeightFacts: Sendable, Equatable {
  /// 2 or 3.
  public var spatialRank: Int
  /// Of the first convolution: image channels, and one per foreground class for a cascade's second stage.
  public var inputChannels: Int
  /// Of the last output layer: labels with background and without ignore, or regions.
  public var outputChannels: Int
  /// Whether the normalisations carry running statistics; the plans of nnUNetTrainerBN do not say so.
  public var usesBatchNorm: Bool
  /// By how much each decoder step enlarges each axis, from the bottleneck upwards; in reverse, the strides of the
  /// stages after the first.
  public var decoderFactors: [[Int]]
  /// The number of trained values, running statistics and second names excluded.
  public var parameterCount: Int

  /// Throws `badInput` when the names are not those of a PlainConvUNet, ResidualEncoderUNet or ResidualUNet.
  public init(weights: [String: Tensor]) throws {
    let weights = ParameterNames.canonical(weights)
    func axes(_ name: String) -> [Int]? { weights[name]?.shape }
    guard
      let first = axes("encoder.stages.0.0.convs.0.conv.weight") ?? axes("encoder.stem.convs.0.conv.weight"),
      (4...5).contains(first.count)
    else {
      let example = weights.keys.min().map { ", but for example \($0)" } ?? ""
      throw Failure(
        .badInput, "the checkpoint does not contain the first convolution of a U-Net of the nnU-Net family\(example)",
        hint: "PlainConvUNet, ResidualEncoderUNet and ResidualUNet are supported")
    }
    var factors: [[Int]] = []
    while let shape = axes("decoder.transpconvs.\(factors.count).weight"), shape.count == first.count {
      factors.append(Array(shape[2...]))
    }
    guard let head = axes("decoder.seg_layers.\(factors.count - 1).weight"), head.count == first.count else {
      throw Failure(.badInput, "the checkpoint lacks the output layer of decoder step \(factors.count - 1)")
    }
    spatialRank = first.count - 2
    inputChannels = first[1]
    outputChannels = head[0]
    usesBatchNorm = weights.keys.contains { $0.hasSuffix(".running_mean") }
    decoderFactors = factors
    parameterCount =
      weights
      .filter { name, _ in !["running_mean", "running_var", "num_batches_tracked"].contains { name.hasSuffix($0) } }
      .reduce(0) { $0 + $1.value.count }
  }
}

extension UNetConfiguration {
  /// The configuration with everything taken from the weights that they know better than the plans: channel counts
  /// and the kind of normalisation.
  public func adapted(to facts: WeightFacts) -> UNetConfiguration {
    var copy = self
    copy.inputChannels = facts.inputChannels
    copy.outputChannels = facts.outputChannels
    switch normalization {
    case .instance(let epsilon, let affine) where facts.usesBatchNorm:
      copy.normalization = .batch(epsilon: epsilon, affine: affine)
    default: break
    }
    return copy
  }
}
