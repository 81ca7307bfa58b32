import Basics

extension UNetConfiguration {
  /// The network this configuration describes.
  ///
  /// Parameter names and their order are those of the reference's `state_dict` without its duplicates. With
  /// `deepSupervision` every decoder step has an output, finest first; without, only the last has.
  ///
  /// Throws `badInput` when the configuration contradicts itself.
  public func makeGraph(deepSupervision: Bool = false) throws -> Graph {
    try validate()
    var builder = UNetBuilder(configuration: self)
    return builder.build(deepSupervision: deepSupervision)
  }

  /// The network as it is trained: with all outputs, and with dropout. Throws also `badInput` for dropout of single voxels.
  public func makeTrainingGraph() throws -> Graph {
    try validate()
    if let dropout, !dropout.dropsChannels {
      throw Failure(
        .badInput, "the plans ask for \(dropout.name), which drops single voxels and is not supported in training",
        hint: "Dropout2d and Dropout3d, which drop channels, are")
    }
    var builder = UNetBuilder(configuration: self)
    builder.dropout = dropout?.probability
    return builder.build(deepSupervision: true)
  }
}

/// Writes down the forward pass of a (valid) configuration.
private struct UNetBuilder {
  let configuration: UNetConfiguration
  var graph: GraphBuilder
  /// Its probability; nil for none.
  var dropout: Double?

  init(configuration: UNetConfiguration) {
    self.configuration = configuration
    graph = GraphBuilder(spatialRank: configuration.spatialRank, inputChannels: configuration.inputChannels)
  }

  private var ones: [Int] { [Int](repeating: 1, count: configuration.spatialRank) }

  mutating func build(deepSupervision: Bool) -> Graph {
    let skips = encoder()
    let steps = configuration.stageCount - 1
    var outputs: [Graph.Value] = []
    var value = skips[steps]
    for step in 0..<steps {
      let stage = steps - 1 - step
      value = graph.transposedConvolution(
        value, name: "decoder.transpconvs.\(step)", outputChannels: configuration.features[stage],
        factors: configuration.strides[stage + 1], bias: configuration.transposedConvolutionBias)
      value = graph.concatenation([value, skips[stage]], name: "decoder.concatenation.\(step)")
      value = decoderStage(value, step: step)
      if deepSupervision || step == steps - 1 {
        outputs.append(
          graph.convolution(
            value, name: "decoder.seg_layers.\(step)", outputChannels: configuration.outputChannels, kernel: ones,
            bias: configuration.headBias))
      }
    }
    return graph.graph(
      name: configuration.family.rawValue, outputs: outputs.reversed(),
      parameterOrder: ["encoder.", "decoder.stages.", "decoder.transpconvs.", "decoder.seg_layers."],
      unusedParameterPrefixes: deepSupervision ? [] : (0..<steps - 1).map { "decoder.seg_layers.\($0)." })
  }

  /// The result of every stage.
  private mutating func encoder() -> [Graph.Value] {
    var value = Graph.Value.input
    if configuration.family != .plain {
      value = convolutionBlock(
        value, name: "encoder.stem.convs.0", channels: configuration.stemChannels ?? configuration.features[0],
        kernel: configuration.kernels[0], stride: ones)
    }
    return (0..<configuration.stageCount).map { stage in
      for index in 0..<configuration.blocksPerStage[stage] {
        let stride = index == 0 ? configuration.strides[stage] : ones
        if configuration.family == .plain {
          value = convolutionBlock(
            value, name: "encoder.stages.\(stage).0.convs.\(index)", channels: configuration.features[stage],
            kernel: configuration.kernels[stage], stride: stride)
        } else {
          value = residualBlock(
            value, name: "encoder.stages.\(stage).blocks.\(index)", stage: stage,
            kernel: configuration.kernels[stage], stride: stride, block: configuration.block)
        }
      }
      return value
    }
  }

  private mutating func decoderStage(_ input: Graph.Value, step: Int) -> Graph.Value {
    let stage = configuration.stageCount - 2 - step
    let kernel = configuration.decoderKernels[step]
    var value = input
    for index in 0..<configuration.blocksPerDecoderStep[step] {
      if configuration.family == .residual {
        value = residualBlock(
          value, name: "decoder.stages.\(step).blocks.\(index)", stage: stage, kernel: kernel, stride: ones,
          block: .basic)
      } else {
        value = convolutionBlock(
          value, name: "decoder.stages.\(step).convs.\(index)", channels: configuration.features[stage],
          kernel: kernel, stride: ones)
      }
    }
    return value
  }

  /// Convolution, dropout, normalisation, activation, in the configured order.
  private mutating func convolutionBlock(
    _ input: Graph.Value, name: String, channels: Int, kernel: [Int], stride: [Int], bias: Bool? = nil,
    activates: Bool = true, drops: Bool = true
  ) -> Graph.Value {
    var value = graph.convolution(
      input, name: "\(name).conv", outputChannels: channels, kernel: kernel, stride: stride,
      bias: bias ?? configuration.convolutionBias)
    if drops, let dropout { value = graph.dropout(value, name: "\(name).dropout", probability: dropout) }
    if configuration.activationFirst {
      if activates { value = activation(value, name: "\(name).nonlin") }
      value = normalization(value, name: "\(name).norm")
    } else {
      value = normalization(value, name: "\(name).norm")
      if activates { value = activation(value, name: "\(name).nonlin") }
    }
    return value
  }

  /// The sum of a stack of convolutions and a short cut, activated.
  private mutating func residualBlock(
    _ input: Graph.Value, name: String, stage: Int, kernel: [Int], stride: [Int], block: UNetConfiguration.Block
  ) -> Graph.Value {
    let channels = configuration.features[stage]
    var main = input
    switch block {
    case .basic:
      main = convolutionBlock(main, name: "\(name).conv1", channels: channels, kernel: kernel, stride: stride)
      main = convolutionBlock(
        main, name: "\(name).conv2", channels: channels, kernel: kernel, stride: ones, activates: false, drops: false)
    case .bottleneck(let narrow):
      main = convolutionBlock(
        main, name: "\(name).conv1", channels: narrow[stage], kernel: ones, stride: ones, drops: false)
      main = convolutionBlock(main, name: "\(name).conv2", channels: narrow[stage], kernel: kernel, stride: stride)
      main = convolutionBlock(
        main, name: "\(name).conv3", channels: channels, kernel: ones, stride: ones, activates: false, drops: false)
    }
    var shortCut = input
    let isStrided = stride.contains { $0 != 1 }
    if isStrided { shortCut = graph.averagePooling(shortCut, name: "\(name).skip.0", window: stride) }
    if graph.channelCount(of: input) != channels {
      shortCut = convolutionBlock(
        shortCut, name: "\(name).skip.\(isStrided ? 1 : 0)", channels: channels, kernel: ones, stride: ones,
        bias: false, activates: false, drops: false)
    }
    let sum = graph.add(main, shortCut, name: "\(name).sum")
    return activation(sum, name: "\(name).nonlin")
  }

  private mutating func normalization(_ input: Graph.Value, name: String) -> Graph.Value {
    switch configuration.normalization {
    case .none: input
    case .instance(let epsilon, let affine):
      graph.instanceNorm(input, name: name, epsilon: epsilon, affine: affine)
    case .batch(let epsilon, let affine): graph.batchNorm(input, name: name, epsilon: epsilon, affine: affine)
    }
  }

  private mutating func activation(_ input: Graph.Value, name: String) -> Graph.Value {
    configuration.slope.map { graph.leakyReLU(input, name: name, slope: $0) } ?? input
  }
}
