import Basics
import Checkpoints

/// Translates graphs into ONNX's `GraphProto` (field numbers: github.com/onnx/onnx, onnx/onnx.proto).
struct ONNXLowering {
  let options: ONNXModel.Options
  /// Of the network at hand.
  private var weights: [String: Tensor] = [:]
  private var spatialRank = 3
  /// Goes before all names of the network at hand.
  private var prefix = ""
  private var content = ProtobufMessage()
  /// The ONNX name of each value.
  private var names: [String] = []
  private var initialised: Set<String> = []

  init(options: ONNXModel.Options) { self.options = options }

  mutating func graph(of networks: [Network], inputShape: [Int?]) throws -> ProtobufMessage {
    guard let first = networks.first else { throw Failure(.internalError, "no network to write") }
    let graph = first.graph
    let shapes = try graph.openShapes(forInput: inputShape)
    if networks.count == 1 {
      try add(first, prefix: "", outputNames: ONNXModel.outputNames(graph.outputs.count))
    } else {
      try addMean(of: networks)
    }
    content.add(2, graph.name)
    let symbols = ["batch", "channels"] + ["depth", "height", "width"].suffix(graph.spatialRank)
    content.add(11, valueInfo("input", inputShape, symbols))
    for (output, name) in zip(graph.outputs, ONNXModel.outputNames(networks.count == 1 ? graph.outputs.count : 1)) {
      content.add(12, valueInfo(name, shapes[output.index], ["batch"]))
    }
    return content
  }

  private mutating func add(_ network: Network, prefix: String, outputNames: [String]) throws {
    weights = network.weights
    spatialRank = network.graph.spatialRank
    self.prefix = prefix
    // Values are called after their nodes.
    names = ["input"] + network.graph.nodes.map { "\(prefix)\($0.name).result" }
    for (output, name) in zip(network.graph.outputs, outputNames) { names[output.index] = name }
    for (index, node) in network.graph.nodes.enumerated() {
      var node = node
      node.name = prefix + node.name
      try add(node, index: index, result: names[index + 1])
    }
  }

  /// All networks on the same input, their first outputs added up and divided by their number.
  private mutating func addMean(of networks: [Network]) throws {
    var answers: [String] = []
    for (index, network) in networks.enumerated() {
      guard network.graph.outputs.count == 1 else {
        throw Failure(.internalError, "networks with one output are averaged")
      }
      answers.append("network_\(index).output")
      try add(network, prefix: "network_\(index).", outputNames: [answers[index]])
    }
    prefix = ""
    add("Sum", "sum", answers, "sum.result")
    let share = try constant("share", [1 / Float(networks.count)])
    add("Mul", "mean", ["sum.result", share], "output")
  }

  private mutating func add(_ node: Graph.Node, index: Int, result: String) throws {
    let inputs = node.inputs.map { names[$0.index] }
    switch node.operation {
    case .convolution(let convolution):
      if let quantization = options.quantization, let range = quantization.inputs[index] {
        return try addQuantized(node, convolution, range, quantization.outputs[index], result)
      }
      try add(
        "Conv", node.name, inputs + parameters(convolution.weight, convolution.bias), result,
        attributes(of: convolution))
    case .transposedConvolution(let convolution):
      try add(
        "ConvTranspose", node.name, inputs + parameters(convolution.weight, convolution.bias), result,
        attributes(of: convolution))
    case .instanceNorm(let norm):
      let (scale, shift) = try scaleAndShift(norm)
      add(
        "InstanceNormalization", node.name, inputs + [scale, shift], result, [.float("epsilon", Float(norm.epsilon))])
    case .groupNorm(let norm, let groups):
      try addGroupNorm(node.name, inputs[0], result, norm, groups: groups)
    case .batchNorm(let norm, let mean, let variance):
      let (scale, shift) = try scaleAndShift(norm)
      try add(
        "BatchNormalization", node.name, inputs + [scale, shift] + parameters(mean, variance), result,
        [.float("epsilon", Float(norm.epsilon))])
    case .leakyReLU(let slope):
      if slope == 0 {
        add("Relu", node.name, inputs, result)
      } else {
        add("LeakyRelu", node.name, inputs, result, [.float("alpha", Float(slope))])
      }
    case .add: add("Add", node.name, inputs, result)
    case .concatenation: add("Concat", node.name, inputs, result, [.int("axis", 1)])
    case .averagePooling(let window):
      add(
        "AveragePool", node.name, inputs, result, [.ints("kernel_shape", window), .ints("strides", window)])
    case .upsampling(let factors, let interpolation):
      let scales = try constant("\(node.name).scales", ([1, 1] + factors).map(Float.init))
      let mode: [ONNXAttribute] =
        switch interpolation {
        case .linear: [.string("mode", "linear"), .string("coordinate_transformation_mode", "half_pixel")]
        case .nearest:
          [
            .string("mode", "nearest"), .string("coordinate_transformation_mode", "asymmetric"),
            .string("nearest_mode", "floor"),
          ]
        }
      // The empty name is ONNX's way to leave out the region of interest.
      add("Resize", node.name, inputs + ["", scales], result, mode)
    case .dropout: add("Identity", node.name, inputs, result)
    }
  }

  // MARK: Eight bits

  /// A convolution of values and weights in eight bits, written as their rounding (`QuantizeLinear`) and the way back
  /// (`DequantizeLinear`) around a convolution as it was; engines compute such a group in integers.
  private mutating func addQuantized(
    _ node: Graph.Node, _ convolution: Graph.Operation.Convolution, _ range: Quantization.Range,
    _ outputRange: Quantization.Range?, _ result: String
  ) throws {
    guard options.operatorSet >= 13 else {
      throw Failure(
        .usage, "weights with a scale for each channel need ONNX operator set 13 or later", hint: "leave out --opset")
    }
    guard let tensor = weights[convolution.weight] else {
      throw Failure(.internalError, "the network has no weights for \(convolution.weight)")
    }
    let input = try addRounding(of: names[node.inputs[0].index], range)
    let rounded = QuantizedWeights(tensor, outputs: convolution.outputChannels)
    let stem = prefix + convolution.weight
    addInitialiser("\(stem).int8", shape: tensor.shape, type: 3) { $0.add(9, bytes: rounded.bytes) }
    let scales = try constant("\(stem).scales", rounded.scales)
    addInitialiser("\(stem).zeros", shape: [rounded.scales.count], type: 3) {
      $0.add(9, bytes: [UInt8](repeating: 0, count: rounded.scales.count))
    }
    add(
      "DequantizeLinear", "\(stem)/Dequantize", ["\(stem).int8", scales, "\(stem).zeros"], "\(stem).restored",
      [.int("axis", 0)])
    let exact = outputRange == nil ? result : "\(result).exact"
    try add(
      "Conv", node.name, [input, "\(stem).restored"] + parameters(convolution.bias), exact,
      attributes(of: convolution))
    guard let outputRange else { return }
    _ = try addRounding(of: exact, outputRange, as: result)
  }

  /// Rounds a value, once however often it is read, and returns the name of what is read instead.
  private mutating func addRounding(of value: String, _ range: Quantization.Range, as result: String? = nil) throws
    -> String
  {
    let rounded = result ?? "\(value).restored"
    guard initialised.insert("\(value).scale").inserted else { return rounded }
    addInitialiser("\(value).scale", shape: []) { $0.add(9, bytes: withUnsafeBytes(of: range.scale) { Array($0) }) }
    addInitialiser("\(value).zero", shape: [], type: 2) { $0.add(9, bytes: [range.zero]) }
    let numbers = ["\(value).scale", "\(value).zero"]
    add("QuantizeLinear", "\(value)/Quantize", [value] + numbers, "\(value).uint8")
    add("DequantizeLinear", "\(value)/Dequantize", ["\(value).uint8"] + numbers, rounded)
    return rounded
  }

  private func attributes(of convolution: Graph.Operation.Convolution) -> [ONNXAttribute] {
    [
      .ints("kernel_shape", convolution.kernel), .ints("strides", convolution.stride),
      .ints("pads", convolution.padding + convolution.padding),
    ]
  }

  /// ONNX had no group normalisation until set 18: groups are made the channels of an instance normalisation.
  private mutating func addGroupNorm(
    _ name: String, _ input: String, _ result: String, _ norm: Graph.Operation.Normalization, groups: Int
  ) throws {
    let grouped = try constant("\(name).grouped_shape", integers: [0, groups, -1])
    let ones = try constant("\(name).ones", [Float](repeating: 1, count: groups))
    let zeros = try constant("\(name).zeros", [Float](repeating: 0, count: groups))
    add("Shape", "\(name)/Shape", [input], "\(name).shape")
    add("Reshape", "\(name)/Group", [input, grouped], "\(name).grouped")
    add(
      "InstanceNormalization", "\(name)/Normalize", ["\(name).grouped", ones, zeros], "\(name).normalized",
      [.float("epsilon", Float(norm.epsilon))])
    let last = norm.scale == nil && norm.shift == nil
    add(
      "Reshape", "\(name)/Ungroup", ["\(name).normalized", "\(name).shape"], last ? result : "\(name).ungrouped")
    if last { return }
    let (scale, shift) = try scaleAndShift(norm)
    guard options.operatorSet >= 13 else {
      throw Failure(.usage, "group normalisation needs ONNX operator set 13 or later", hint: "leave out --opset")
    }
    let axes = try constant("\(name).axes", integers: (0..<spatialRank).map { $0 + 1 })
    add("Unsqueeze", "\(name)/ScaleShape", [scale, axes], "\(name).scale")
    add("Unsqueeze", "\(name)/ShiftShape", [shift, axes], "\(name).shift")
    add("Mul", "\(name)/Scale", ["\(name).ungrouped", "\(name).scale"], "\(name).scaled")
    add("Add", name, ["\(name).scaled", "\(name).shift"], result)
  }

  // MARK: Initialisers

  private mutating func parameters(_ names: String?...) throws -> [String] {
    try names.compactMap { $0 }.map { try parameter($0) }
  }

  private mutating func parameter(_ name: String) throws -> String {
    guard let tensor = weights[name] else {
      throw Failure(.internalError, "the network has no weights for \(name)")
    }
    let name = prefix + name
    guard initialised.insert(name).inserted else { return name }
    addInitialiser(name, shape: tensor.shape) { $0.add(9, floats: tensor) }
    return name
  }

  private mutating func scaleAndShift(_ norm: Graph.Operation.Normalization) throws -> (String, String) {
    let scale = try norm.scale.map { try parameter($0) }
    let shift = try norm.shift.map { try parameter($0) }
    return (
      try scale ?? constant("ones.\(norm.channels)", [Float](repeating: 1, count: norm.channels)),
      try shift ?? constant("zeros.\(norm.channels)", [Float](repeating: 0, count: norm.channels))
    )
  }

  private mutating func constant(_ name: String, _ values: [Float]) throws -> String {
    guard initialised.insert(name).inserted else { return name }
    let tensor = try Tensor(floats: values, shape: [values.count])
    addInitialiser(name, shape: tensor.shape) { $0.add(9, floats: tensor) }
    return name
  }

  private mutating func constant(_ name: String, integers values: [Int]) throws -> String {
    guard initialised.insert(name).inserted else { return name }
    addInitialiser(name, shape: [values.count], type: 7) { tensor in
      for value in values { tensor.add(7, value) }
    }
    return name
  }

  private mutating func addInitialiser(
    _ name: String, shape: [Int], type: Int = 1, data: (inout ProtobufMessage) -> Void
  ) {
    var tensor = ProtobufMessage()
    for size in shape { tensor.add(1, size) }
    tensor.add(2, type)
    tensor.add(8, name)
    data(&tensor)
    content.add(5, tensor)
  }

  // MARK: Messages

  private mutating func add(
    _ type: String, _ name: String, _ inputs: [String], _ result: String, _ attributes: [ONNXAttribute] = []
  ) {
    var node = ProtobufMessage()
    for input in inputs { node.add(1, input) }
    node.add(2, result)
    node.add(3, name)
    node.add(4, type)
    for attribute in attributes { node.add(5, attribute.message) }
    content.add(1, node)
  }

  /// Sizes left open get the symbol at their place, if there is one.
  private func valueInfo(_ name: String, _ shape: [Int?], _ symbols: [String]) -> ProtobufMessage {
    var axes = ProtobufMessage()
    for (index, size) in shape.enumerated() {
      var axis = ProtobufMessage()
      if let size { axis.add(1, size) } else if index < symbols.count { axis.add(2, symbols[index]) }
      axes.add(1, axis)
    }
    var tensor = ProtobufMessage()
    tensor.add(1, 1)
    tensor.add(2, axes)
    var type = ProtobufMessage()
    type.add(1, tensor)
    var info = ProtobufMessage()
    info.add(1, name)
    info.add(2, type)
    return info
  }
}
