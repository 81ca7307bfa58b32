import Basics
import Checkpoints

/// Networks of nnU-Net v1 (`Generic_UNet`) in the terms of v2.
///
/// They are plain U-Nets whose parameters have other names; all sizes are read from the weights themselves.
public struct LegacyWeights: Sendable {
  /// The parameters under the names that a PlainConvUNet gives them.
  public let weights: [String: Tensor]
  /// The network they belong to. Activation and normalisation are v1's defaults, as far as the weights do not say
  /// otherwise.
  public let configuration: UNetConfiguration

  /// Whether some weights are named as v1 names them.
  public static func isLegacy(_ weights: [String: Tensor]) -> Bool {
    weights.keys.contains { $0.hasPrefix("conv_blocks_context.") }
  }

  /// Throws `badInput` when the weights are not those of a `Generic_UNet` with convolutions for pooling.
  public init(_ given: [String: Tensor]) throws {
    let stageCount = Self.count { given["tu.\($0).weight"] != nil } + 1
    guard stageCount >= 2, let first = given["conv_blocks_context.0.blocks.0.conv.weight"]?.shape,
      (4...5).contains(first.count)
    else {
      throw Failure(
        .badInput, "the checkpoint does not hold a Generic_UNet of nnU-Net v1 with transposed convolutions",
        hint: "networks of other trainers, such as nnUNetTrainerV2_ResencUNet, are not supported")
    }
    var renamed: [String: Tensor] = [:]
    var known: Set<String> = []
    func move(_ old: String, _ new: String) {
      for (from, to) in [("conv", "conv"), ("instnorm", "norm")] {
        for kind in ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"] {
          let name = "\(old).\(from).\(kind)"
          guard let tensor = given[name] else { continue }
          known.insert(name)
          renamed["\(new).\(to).\(kind)"] = tensor
        }
      }
    }
    /// Moves the convolutions of a stage and returns how many there are.
    func moveStage(_ lists: [String], _ new: String) -> Int {
      var position = 0
      for list in lists {
        let count = Self.count { given["\(list).blocks.\($0).conv.weight"] != nil }
        for index in 0..<count {
          move("\(list).blocks.\(index)", "\(new).convs.\(position)")
          position += 1
        }
      }
      return position
    }
    let bottom = stageCount - 1
    var (blocks, decoderBlocks): ([Int], [Int]) = ([], [])
    for stage in 0..<stageCount {
      let old = "conv_blocks_context.\(stage)"
      blocks.append(moveStage(stage == bottom ? ["\(old).0", "\(old).1"] : [old], "encoder.stages.\(stage).0"))
    }
    for step in 0..<bottom {
      let old = "conv_blocks_localization.\(step)"
      decoderBlocks.append(moveStage(["\(old).0", "\(old).1"], "decoder.stages.\(step)"))
      for (from, to) in [("tu", "decoder.transpconvs"), ("seg_outputs", "decoder.seg_layers")] {
        for kind in ["weight", "bias"] {
          guard let tensor = given["\(from).\(step).\(kind)"] else { continue }
          known.insert("\(from).\(step).\(kind)")
          renamed["\(to).\(step).\(kind)"] = tensor
        }
      }
    }
    let strangers = given.keys.filter { !known.contains($0) }
    if let stranger = strangers.min() {
      throw Failure(
        .badInput, "the checkpoint contains \(stranger), which a Generic_UNet of nnU-Net v1 does not have",
        hint: "its trainer changed the network")
    }
    weights = renamed
    configuration = try Self.configuration(renamed, first: first, blocks: blocks, decoderBlocks: decoderBlocks)
  }

  private static func count(_ exists: (Int) -> Bool) -> Int {
    var count = 0
    while exists(count) { count += 1 }
    return count
  }

  private static func configuration(
    _ weights: [String: Tensor], first: [Int], blocks: [Int], decoderBlocks: [Int]
  ) throws -> UNetConfiguration {
    let rank = first.count - 2
    func shape(_ name: String) throws -> [Int] {
      guard let shape = weights[name]?.shape, shape.count == first.count else {
        throw Failure(.badInput, "the checkpoint lacks \(name) or has it with other axes")
      }
      return shape
    }
    let stages = try blocks.indices.map { try shape("encoder.stages.\($0).0.convs.0.conv.weight") }
    let ups = try decoderBlocks.indices.map { try shape("decoder.transpconvs.\($0).weight") }
    let steps = try decoderBlocks.indices.map { try shape("decoder.stages.\($0).convs.0.conv.weight") }
    let head = try shape("decoder.seg_layers.\(decoderBlocks.count - 1).weight")
    var configuration = UNetConfiguration(
      spatialRank: rank, inputChannels: first[1], outputChannels: head[0], features: stages.map { $0[0] },
      kernels: stages.map { Array($0[2...]) },
      strides: [[Int](repeating: 1, count: rank)] + ups.reversed().map { Array($0[2...]) }, blocksPerStage: blocks,
      blocksPerDecoderStep: decoderBlocks)
    configuration.decoderKernels = steps.map { Array($0[2...]) }
    configuration.convolutionBias = weights["encoder.stages.0.0.convs.0.conv.bias"] != nil
    configuration.transposedConvolutionBias = weights["decoder.transpconvs.0.bias"] != nil
    configuration.headBias = weights["decoder.seg_layers.\(decoderBlocks.count - 1).bias"] != nil
    let norm = "encoder.stages.0.0.convs.0.norm"
    if weights["\(norm).running_mean"] != nil {
      configuration.normalization = .batch(epsilon: 1e-5, affine: weights["\(norm).weight"] != nil)
    } else if weights["\(norm).weight"] == nil {
      configuration.normalization = .none
    }
    try configuration.validate()
    return configuration
  }
}
