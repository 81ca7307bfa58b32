import Basics

extension UNetConfiguration {
  /// Reads the `architecture` block of a configuration in plans.json (nnU-Net 2.4 and later).
  ///
  /// Plans do not know channels and classes; take them from `WeightFacts` or dataset.json. An argument that may be a
  /// list may also be one value for all stages. Throws `badInput` when the network is not one of `Family`, when an
  /// argument is missing or malformed, and when an unknown argument would change the network.
  public init(architecture: JSON, inputChannels: Int, outputChannels: Int) throws {
    let path = try architecture.required("network_class_name").asString("network_class_name")
    let family = try Self.family(named: path)
    guard let arguments = architecture["arch_kwargs"], let object = arguments.object else {
      throw Failure(.badInput, "the plans' architecture has no arch_kwargs")
    }
    try Self.refuseUnknown(object, family: family)

    let stageCount = try arguments.required("n_stages").asInt("n_stages")
    guard (2...32).contains(stageCount) else {
      throw Failure(.badInput, "the plans ask for a network of \(stageCount) stages; between 2 and 32 are supported")
    }
    let spatialRank = try Self.rank(try arguments.required("conv_op").asString("conv_op"))
    func perStage(_ key: String, count: Int = stageCount) throws -> [Int] {
      try arguments.required(key).asInts(key, count: count)
    }
    func perAxis(_ key: String) throws -> [[Int]] {
      try arguments.required(key).asAxes(key, count: stageCount, rank: spatialRank)
    }
    self.init(
      family: family, spatialRank: spatialRank, inputChannels: inputChannels, outputChannels: outputChannels,
      features: try perStage("features_per_stage"), kernels: try perAxis("kernel_sizes"),
      strides: try perAxis("strides"),
      blocksPerStage: try perStage(family == .plain ? "n_conv_per_stage" : "n_blocks_per_stage"),
      blocksPerDecoderStep: try perStage("n_conv_per_stage_decoder", count: stageCount - 1))
    // What is left out has PyTorch's meaning: no bias, no normalisation, no activation.
    convolutionBias = try arguments.optional("conv_bias")?.asBool("conv_bias") ?? false
    transposedConvolutionBias = convolutionBias
    normalization = try Self.normalization(arguments, spatialRank: spatialRank)
    slope = try Self.slope(arguments)
    activationFirst = try arguments.optional("nonlin_first")?.asBool("nonlin_first") ?? false
    dropout = try Self.dropout(arguments)
    stemChannels = try arguments.optional("stem_channels")?.asInt("stem_channels")
    block = try Self.block(arguments, stageCount: stageCount)
    try validate()
  }

  private static func family(named path: String) throws -> Family {
    let name = lastComponent(path)
    guard let family = Family(rawValue: name) else {
      let known = Family.allCases.map(\.rawValue).joined(separator: ", ")
      throw Failure(
        .badInput, "the plans ask for a network called \(name), which is not supported",
        hint: "supported networks are \(known)")
    }
    return family
  }

  /// Python paths are `package.module.Class`; the class says it all.
  fileprivate static func lastComponent(_ path: String) -> String {
    path.split(separator: ".").last.map(String.init) ?? path
  }

  /// Arguments that say nothing (absent, null, false) pass, whatever they are called.
  private static func refuseUnknown(_ arguments: JSONObject, family: Family) throws {
    var known: Set = [
      "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage_decoder", "conv_bias",
      "norm_op", "norm_op_kwargs", "nonlin", "nonlin_kwargs",
      "dropout_op", "dropout_op_kwargs",
      // Training only.
      "deep_supervision",
      // Given elsewhere.
      "input_channels", "num_classes",
    ]
    known.formUnion(
      family == .plain
        ? ["n_conv_per_stage", "nonlin_first"]
        : ["n_blocks_per_stage", "block", "bottleneck_channels", "stem_channels"])
    for (key, value) in arguments.members where !known.contains(key) && !value.isNull && value != .bool(false) {
      throw Failure(
        .badInput, "the plans give the \(family.rawValue) an argument \(key) that is not supported",
        hint: "the network may have been made by a modified nnU-Net")
    }
  }

  private static func rank(_ path: String) throws -> Int {
    switch lastComponent(path) {
    case "Conv2d": 2
    case "Conv3d": 3
    default: throw Failure(.badInput, "the plans ask for the convolution \(path); Conv2d and Conv3d are supported")
    }
  }

  private static func normalization(_ arguments: JSON, spatialRank: Int) throws -> Normalization {
    guard let path = try arguments.optional("norm_op")?.asString("norm_op") else { return .none }
    let options = arguments.optional("norm_op_kwargs")
    let epsilon = try options?.optional("eps")?.asDouble("norm_op_kwargs.eps") ?? 1e-5
    guard epsilon >= 0, epsilon < 1 else {
      throw Failure(.badInput, "the plans normalise with an eps of \(epsilon)")
    }
    let affine = try options?.optional("affine")?.asBool("norm_op_kwargs.affine")
    switch lastComponent(path) {
    case "InstanceNorm\(spatialRank)d":
      guard options?["track_running_stats"]?.bool != true else {
        throw Failure(
          .badInput, "the plans ask for instance normalisation with running statistics, which is not supported")
      }
      return .instance(epsilon: epsilon, affine: affine ?? false)
    case "BatchNorm\(spatialRank)d":
      guard options?["track_running_stats"]?.bool != false else {
        throw Failure(
          .badInput, "the plans ask for batch normalisation without running statistics, which is not supported")
      }
      return .batch(epsilon: epsilon, affine: affine ?? true)
    default:
      throw Failure(
        .badInput, "the plans ask for the normalisation \(path), which is not supported",
        hint: "InstanceNorm\(spatialRank)d and BatchNorm\(spatialRank)d are")
    }
  }

  private static func slope(_ arguments: JSON) throws -> Double? {
    guard let path = try arguments.optional("nonlin")?.asString("nonlin") else { return nil }
    switch lastComponent(path) {
    case "ReLU": return 0
    case "LeakyReLU":
      return try arguments.optional("nonlin_kwargs")?.optional("negative_slope")?.asDouble("negative_slope") ?? 0.01
    default:
      throw Failure(
        .badInput, "the plans ask for the activation \(path), which is not supported", hint: "LeakyReLU and ReLU are")
    }
  }

  /// PyTorch's classes for images and volumes both drop whole channels.
  private static func dropout(_ arguments: JSON) throws -> Dropout? {
    guard let path = try arguments.optional("dropout_op")?.asString("dropout_op") else { return nil }
    let probability = try arguments.optional("dropout_op_kwargs")?.optional("p")?.asDouble("dropout_op_kwargs.p") ?? 0.5
    guard (0..<1).contains(probability) else {
      throw Failure(.badInput, "the plans ask for dropout with a probability of \(probability)")
    }
    guard probability > 0 else { return nil }
    let name = lastComponent(path)
    return Dropout(probability: probability, dropsChannels: ["Dropout2d", "Dropout3d"].contains(name), name: name)
  }

  private static func block(_ arguments: JSON, stageCount: Int) throws -> Block {
    guard let path = try arguments.optional("block")?.asString("block") else { return .basic }
    switch lastComponent(path) {
    case "BasicBlockD": return .basic
    case "BottleneckD":
      let channels = try arguments.required("bottleneck_channels").asInts("bottleneck_channels", count: stageCount)
      return .bottleneck(channels: channels)
    default:
      throw Failure(
        .badInput, "the plans ask for residual blocks of type \(path), which is not supported",
        hint: "BasicBlockD and BottleneckD are")
    }
  }
}

/// Reads of typed values whose mistakes name the key.
extension JSON {
  fileprivate func malformed(_ key: String, _ expected: String) -> Failure {
    Failure(.badInput, "the plans' architecture has a \(key) that is not \(expected)")
  }

  fileprivate func required(_ key: String) throws -> JSON {
    guard let value = optional(key) else { throw Failure(.badInput, "the plans' architecture has no \(key)") }
    return value
  }

  fileprivate func optional(_ key: String) -> JSON? { self[key].flatMap { $0.isNull ? nil : $0 } }

  fileprivate func asString(_ key: String) throws -> String {
    guard let string else { throw malformed(key, "a string") }
    return string
  }

  fileprivate func asBool(_ key: String) throws -> Bool {
    guard let bool else { throw malformed(key, "true or false") }
    return bool
  }

  fileprivate func asDouble(_ key: String) throws -> Double {
    guard let double, double.isFinite else { throw malformed(key, "a number") }
    return double
  }

  fileprivate func asInt(_ key: String) throws -> Int {
    guard let int else { throw malformed(key, "an integer") }
    return int
  }

  /// One integer for each of `count` things, or one for all of them.
  func asInts(_ key: String, count: Int) throws -> [Int] {
    if let int { return [Int](repeating: int, count: count) }
    guard let ints, ints.count == count else { throw malformed(key, "an integer or a list of \(count)") }
    return ints
  }

  /// For each of `count` stages one integer per axis; either level may be a single integer for all.
  func asAxes(_ key: String, count: Int, rank: Int) throws -> [[Int]] {
    if let int { return [[Int]](repeating: [Int](repeating: int, count: rank), count: count) }
    guard let array, array.count == count else { throw malformed(key, "an integer or a list of \(count)") }
    return try array.map { try $0.asInts(key, count: rank) }
  }
}
