import Basics
import Checkpoints

/// Translates a graph into ONNX's `GraphProto` (field numbers: github.com/onnx/onnx, onnx/onnx.proto).
struct ONNXLowering {
  let network: Network
  private var content = ProtobufMessage()
  /// The ONNX name of each value.
  private var names: [String] = []
  private var initialised: Set<String> = []

  init(network: Network) { self.network = network }

  private enum Attribute {
    case int(String, Int)
    case ints(String, [Int])
    case float(String, Float)
    case string(String, String)
  }

  mutating func graph(inputShape: [Int?]) throws -> ProtobufMessage {
    let graph = network.graph
    let shapes = try graph.openShapes(forInput: inputShape)
    names = outputNames(graph)
    for (index, node) in graph.nodes.enumerated() { try add(node, result: names[index + 1]) }
    content.add(2, graph.name)
    let symbols = ["batch", "channels"] + ["depth", "height", "width"].suffix(graph.spatialRank)
    content.add(11, valueInfo(names[0], inputShape, symbols))
    for output in graph.outputs {
      content.add(12, valueInfo(names[output.index], shapes[output.index], ["batch"]))
    }
    return content
  }

  /// Values are called after their nodes; outputs `output`, `output_1`, ...
  private func outputNames(_ graph: Graph) -> [String] {
    var names = ["input"] + graph.nodes.map { "\($0.name).result" }
    for (index, output) in graph.outputs.enumerated() {
      names[output.index] = index == 0 ? "output" : "output_\(index)"
    }
    return names
  }

  private mutating func add(_ node: Graph.Node, result: String) throws {
    let inputs = node.inputs.map { names[$0.index] }
    switch node.operation {
    case .convolution(let convolution):
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
      let mode: [Attribute] =
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

  private func attributes(of convolution: Graph.Operation.Convolution) -> [Attribute] {
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
    let axes = try constant("\(name).axes", integers: (0..<network.graph.spatialRank).map { $0 + 1 })
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
    guard let tensor = network.weights[name] else {
      throw Failure(.internalError, "the network has no weights for \(name)")
    }
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
    _ type: String, _ name: String, _ inputs: [String], _ result: String, _ attributes: [Attribute] = []
  ) {
    var node = ProtobufMessage()
    for input in inputs { node.add(1, input) }
    node.add(2, result)
    node.add(3, name)
    node.add(4, type)
    for attribute in attributes { node.add(5, message(attribute)) }
    content.add(1, node)
  }

  private func message(_ attribute: Attribute) -> ProtobufMessage {
    var message = ProtobufMessage()
    switch attribute {
    case .float(let name, let value):
      message.add(1, name)
      message.add(2, value)
      message.add(20, 1)
    case .int(let name, let value):
      message.add(1, name)
      message.add(3, value)
      message.add(20, 2)
    case .string(let name, let value):
      message.add(1, name)
      message.add(4, value)
      message.add(20, 3)
    case .ints(let name, let values):
      message.add(1, name)
      for value in values { message.add(8, value) }
      message.add(20, 7)
    }
    return message
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
