import Basics
import NNUNet
import Networks

/// How a student's network follows from plans: narrower stages, and other numbers of blocks.
///
/// Everything else (depth, kernels, strides, the decoder, normalisation) is what the plans say.
public struct StudentDesign: Sendable, Equatable {
  /// No stage is narrowed below this.
  public static let smallestWidth = 8

  /// What channels are divided by.
  public var reduction = 2
  public var strategy = BlockStrategy.keep
  /// The channels of each stage, instead of those that `reduction` gives.
  public var widths: [Int]?
  /// The blocks (convolutions of a plain network) of each encoder stage, instead of those that `strategy` gives.
  public var blocks: [Int]?

  public init(reduction: Int = 2, strategy: BlockStrategy = .keep) {
    self.reduction = reduction
    self.strategy = strategy
  }

  /// The channels of a stage that has `width` in the plans: max(width / reduction, 8), rounded down, but no more than it
  /// had.
  public func narrowed(_ width: Int) -> Int { min(width, max(width / max(1, reduction), Self.smallestWidth)) }

  /// The design that gives a network's stages so many channels: with the least reduction that does, or stage by stage
  /// where none does.
  func having(features: [Int], of network: UNetConfiguration) -> StudentDesign {
    var design = self
    let reductions = 1...max(1, network.features.max() ?? 1)
    let fitting = reductions.first { reduction in
      design.reduction = reduction
      return network.features.map(design.narrowed) == features
    }
    design.reduction = fitting ?? reduction
    design.widths = fitting == nil ? features : nil
    return design
  }

  /// A network with the student's channels and blocks.
  ///
  /// Throws `usage` when per-stage choices do not fit the network, or a block strategy is asked of a plain one.
  public func student(of teacher: UNetConfiguration) throws -> UNetConfiguration {
    guard reduction >= 1 else {
      throw Failure(.usage, "the reduction factor is \(reduction); at least 1 is needed")
    }
    guard strategy == .keep || blocks != nil || teacher.family != .plain else {
      throw Failure(
        .usage,
        "the block strategy \(strategy.rawValue) is for residual networks; these plans describe a "
          + "\(teacher.family.rawValue)",
        hint: "choose ResEnc plans for the student with -spl, or give convolutions per stage with --blocks")
    }
    var student = teacher
    student.features = try chosen(widths, "--widths", stages: teacher.stageCount) ?? teacher.features.map(narrowed)
    student.blocksPerStage =
      try chosen(blocks, "--blocks", stages: teacher.stageCount)
      ?? teacher.blocksPerStage.indices.map { stage in
        guard teacher.family != .plain else { return teacher.blocksPerStage[stage] }
        return strategy.blocks(
          teacher.blocksPerStage[stage], width: teacher.features[stage], narrowed: student.features[stage])
      }
    student.stemChannels = teacher.stemChannels.map(narrowed)
    if case .bottleneck(let channels) = teacher.block { student.block = .bottleneck(channels: channels.map(narrowed)) }
    try student.validate()
    return student
  }

  private func chosen(_ values: [Int]?, _ option: String, stages: Int) throws -> [Int]? {
    guard let values else { return nil }
    guard values.count == stages, values.allSatisfy({ $0 >= 1 }) else {
      throw Failure(
        .usage,
        "\(option) gives \(values.count) numbers (\(values.map(String.init).joined(separator: " "))); the network "
          + "has \(stages) stages, each of which needs one of at least 1")
    }
    return values
  }

  /// Plans whose `configuration` describes the student, so that whatever runs nnU-Net models runs the student.
  ///
  /// Throws `badInput` for plans whose network is not known, and as `student(of:)`.
  public func apply(to plans: Plans, configuration name: String) throws -> Plans {
    guard plans.configurationNames.contains(name) else { return plans }
    var resolved = try plans.configuration(name).json
    if resolved["architecture"] == nil { resolved = try Self.modernised(resolved) }
    guard var architecture = resolved["architecture"]?.object, var arguments = architecture["arch_kwargs"]?.object
    else {
      throw Failure(.badInput, "configuration \"\(name)\" does not describe its network")
    }
    Self.completeBlocks(&arguments, className: architecture["network_class_name"]?.string ?? "")
    architecture["arch_kwargs"] = .object(arguments)
    // Channels in and out do not matter to the widths.
    let teacher = try UNetConfiguration(architecture: .object(architecture), inputChannels: 1, outputChannels: 2)
    let student = try student(of: teacher)
    guard student != teacher else { return plans }
    func list(_ values: [Int]) -> JSON { .array(values.map(JSON.int)) }
    arguments["features_per_stage"] = list(student.features)
    arguments[teacher.family == .plain ? "n_conv_per_stage" : "n_blocks_per_stage"] = list(student.blocksPerStage)
    if let channels = student.stemChannels { arguments["stem_channels"] = .int(channels) }
    if case .bottleneck(let channels) = student.block { arguments["bottleneck_channels"] = list(channels) }
    architecture["arch_kwargs"] = .object(arguments)
    guard var document = plans.json.object, var configurations = document["configurations"]?.object,
      var own = configurations[name]?.object
    else { throw Failure(.badInput, "there is no configuration \"\(name)\"") }
    own["architecture"] = .object(architecture)
    configurations[name] = .object(own)
    document["configurations"] = .object(configurations)
    return try Plans(json: .object(document))
  }

  /// nnU-Net's counts for residual encoders whose plans do not give them.
  private static func completeBlocks(_ arguments: inout JSONObject, className: String) {
    guard !className.hasSuffix("PlainConvUNet"), arguments["n_blocks_per_stage"] == nil,
      let stages = arguments["n_stages"]?.int, (2...32).contains(stages)
    else { return }
    let usual = [1, 3, 4, 6, 6, 6]
    arguments["n_blocks_per_stage"] = .array((0..<stages).map { .int(usual[min($0, usual.count - 1)]) })
  }

  /// A configuration of plans before nnU-Net 2.4 with the `architecture` that its keys mean.
  private static func modernised(_ configuration: JSON) throws -> JSON {
    let network = try UNetConfiguration(legacy: configuration, inputChannels: 1, outputChannels: 2)
    let rank = network.spatialRank
    func list(_ values: [Int]) -> JSON { .array(values.map(JSON.int)) }
    func lists(_ values: [[Int]]) -> JSON { .array(values.map(list)) }
    let blocks = network.family == .plain ? "n_conv_per_stage" : "n_blocks_per_stage"
    var object = configuration.object ?? JSONObject()
    object["architecture"] = .object([
      "network_class_name": .string("dynamic_network_architectures.architectures.unet.\(network.family.rawValue)"),
      "arch_kwargs": .object([
        "n_stages": .int(network.stageCount), "features_per_stage": list(network.features),
        "conv_op": .string("torch.nn.modules.conv.Conv\(rank)d"), "kernel_sizes": lists(network.kernels),
        "strides": lists(network.strides), blocks: list(network.blocksPerStage),
        "n_conv_per_stage_decoder": list(network.blocksPerDecoderStep), "conv_bias": .bool(true),
        "norm_op": .string("torch.nn.modules.instancenorm.InstanceNorm\(rank)d"),
        "norm_op_kwargs": .object(["eps": .double(1e-05), "affine": .bool(true)]), "dropout_op": .null,
        "dropout_op_kwargs": .null, "nonlin": .string("torch.nn.LeakyReLU"),
        "nonlin_kwargs": .object(["inplace": .bool(true)]),
      ]),
      "_kw_requires_import": .array(["conv_op", "norm_op", "dropout_op", "nonlin"].map(JSON.string)),
    ])
    return .object(object)
  }
}
