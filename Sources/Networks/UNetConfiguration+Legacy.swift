import Basics

extension UNetConfiguration {
  /// Reads a configuration of plans.json that has no `architecture` block (nnU-Net 2.0 to 2.3).
  ///
  /// These plans always mean: features doubled per stage up to a limit, bias, instance normalisation, leaky ReLU.
  /// Throws `badInput` when a key is missing or malformed and when the network is neither a PlainConvUNet nor a
  /// ResidualEncoderUNet.
  public init(legacy configuration: JSON, inputChannels: Int, outputChannels: Int) throws {
    func value(_ key: String) throws -> JSON {
      guard let value = configuration[key], !value.isNull else {
        throw Failure(.badInput, "the plans' configuration has neither an architecture nor \(key)")
      }
      return value
    }
    func malformed(_ key: String) -> Failure {
      Failure(.badInput, "the plans' configuration has a malformed \(key)")
    }
    let name = try value("UNet_class_name").string
    let families: [Family] = [.plain, .residualEncoder]
    guard let family = families.first(where: { $0.rawValue == name }) else {
      throw Failure(
        .badInput, "the plans ask for a network called \(name ?? "?"), which is not supported",
        hint: "supported networks are \(families.map(\.rawValue).joined(separator: ", "))")
    }
    guard let patch = try value("patch_size").array else { throw malformed("patch_size") }
    guard let blocks = try value("n_conv_per_stage_encoder").ints, (2...32).contains(blocks.count) else {
      throw malformed("n_conv_per_stage_encoder")
    }
    guard let base = try value("UNet_base_num_features").int, (1...65_536).contains(base) else {
      throw malformed("UNet_base_num_features")
    }
    guard let most = try value("unet_max_num_features").int, (1...65_536).contains(most) else {
      throw malformed("unet_max_num_features")
    }
    func perAxis(_ key: String) throws -> [[Int]] {
      try value(key).asAxes(key, count: blocks.count, rank: patch.count)
    }
    self.init(
      family: family, spatialRank: patch.count, inputChannels: inputChannels, outputChannels: outputChannels,
      features: blocks.indices.map { min(base << min($0, 20), most) }, kernels: try perAxis("conv_kernel_sizes"),
      strides: try perAxis("pool_op_kernel_sizes"), blocksPerStage: blocks,
      blocksPerDecoderStep: try value("n_conv_per_stage_decoder").asInts(
        "n_conv_per_stage_decoder", count: blocks.count - 1))
    try validate()
  }
}
