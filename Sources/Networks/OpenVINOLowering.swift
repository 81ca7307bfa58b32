import Basics

/// Translates a graph into OpenVINO's layers (docs.openvino.ai, "Available Operation Sets" and "IR format").
struct OpenVINOLowering {
  let network: Network
  let weights: OpenVINOWeights
  /// Whether means and variances are to be exact to single precision, see `OpenVINOModel.Statistics`.
  let statistics: OpenVINOModel.Statistics
  /// Whether answers have the axes (N, spatial axes..., C).
  let isChannelsLast: Bool
  private var layers = ""
  private var edges = ""
  private var layerCount = 0
  /// Constants already written, by name and shape.
  private var constants: [String: Result] = [:]

  init(network: Network, weights: OpenVINOWeights, statistics: OpenVINOModel.Statistics, isChannelsLast: Bool) {
    self.network = network
    self.weights = weights
    self.statistics = statistics
    self.isChannelsLast = isChannelsLast
  }

  /// What a layer computes: its number, its output port, and the sizes (nil where open).
  private struct Result {
    var layer: Int
    var port: Int
    var shape: [Int?]
    var precision = "FP32"
  }

  mutating func description(inputShape: [Int?]) throws -> String {
    let graph = network.graph
    let shapes = try graph.openShapes(forInput: inputShape)
    var values = [
      add(
        "Parameter", "input", [], [("shape", text(inputShape)), ("element_type", "f32")], inputShape, names: "input")
    ]
    let outputNames = Dictionary(
      graph.outputs.enumerated().map { ($1.index, $0 == 0 ? "output" : "output_\($0)") }
    ) { first, _ in first }
    for (index, node) in graph.nodes.enumerated() {
      let inputs = node.inputs.map { values[$0.index] }
      let names = isChannelsLast ? nil : outputNames[index + 1]
      values.append(try add(node, inputs, shapes[index + 1], names: names))
    }
    for output in graph.outputs {
      let name = outputNames[output.index] ?? "output"
      let answer = values[output.index]
      let result = isChannelsLast ? try movingChannelsLast(answer, name) : answer
      _ = add("Result", "\(name)/Result", [result], [], nil)
    }
    return "<?xml version=\"1.0\"?>\n<net name=\"\(graph.name)\" version=\"11\">\n<layers>\n\(layers)</layers>\n"
      + "<edges>\n\(edges)</edges>\n</net>\n"
  }

  // MARK: Operations

  private mutating func add(
    _ node: Graph.Node, _ inputs: [Result], _ shape: [Int?], names: String?
  ) throws -> Result {
    guard let input = inputs.first else { throw Failure(.internalError, "node \(node.name) has no input") }
    let name = node.name
    let rank = network.graph.spatialRank
    switch node.operation {
    case .convolution(let convolution):
      let weight = try parameter(
        convolution.weight, [convolution.outputChannels, convolution.inputChannels] + convolution.kernel)
      return try chain(
        input, [Step("Convolution", [weight], attributes(of: convolution))] + bias(convolution), name, shape, names)
    case .transposedConvolution(let convolution):
      let weight = try parameter(
        convolution.weight, [convolution.inputChannels, convolution.outputChannels] + convolution.kernel)
      return try chain(
        input, [Step("ConvolutionBackpropData", [weight], attributes(of: convolution))] + bias(convolution), name,
        shape, names)
    case .instanceNorm(let norm):
      if statistics == .inStages, let windows = PoolingStages(input.shape) {
        return try normalize(input, norm, windows, name, names)
      }
      // Set 2's version takes its axes as attributes, set 6's from a constant.
      let attributes = [
        ("eps", "\(norm.epsilon)"), ("across_channels", "false"), ("normalize_variance", "true"),
      ]
      var steps = [Step("MVN", [], attributes, set: "opset2")]
      if let scale = norm.scale {
        steps.append(Step("Multiply", [try perChannel(scale, norm.channels)], Self.numpyBroadcast))
      }
      if let shift = norm.shift {
        steps.append(Step("Add", [try perChannel(shift, norm.channels)], Self.numpyBroadcast))
      }
      return chain(input, steps, name, shape, names)
    case .groupNorm(let norm, let groups):
      return add(
        "GroupNormalization", name,
        [
          input, try vector(norm.scale, standIn: 1, norm.channels), try vector(norm.shift, standIn: 0, norm.channels),
        ], [("num_groups", "\(groups)"), ("epsilon", "\(norm.epsilon)")], shape, names: names, set: "opset12")
    case .batchNorm(let norm, let mean, let variance):
      return add(
        "BatchNormInference", name,
        [
          input, try vector(norm.scale, standIn: 1, norm.channels), try vector(norm.shift, standIn: 0, norm.channels),
          try parameter(mean, [norm.channels]), try parameter(variance, [norm.channels]),
        ], [("epsilon", "\(norm.epsilon)")], shape, names: names, set: "opset5")
    case .leakyReLU(let slope):
      if slope == 0 { return add("ReLU", name, [input], [], shape, names: names) }
      return add("PReLU", name, [input, try number(slope)], [], shape, names: names)
    case .add: return add("Add", name, inputs, Self.numpyBroadcast, shape, names: names)
    case .concatenation: return add("Concat", name, inputs, [("axis", "1")], shape, names: names)
    case .averagePooling(let window):
      let none = text([Int](repeating: 0, count: rank))
      return add(
        "AvgPool", name, [input],
        [
          ("kernel", text(window)), ("strides", text(window)), ("pads_begin", none), ("pads_end", none),
          ("exclude-pad", "true"), ("rounding_type", "floor"), ("auto_pad", "explicit"),
        ], shape, names: names)
    case .upsampling(let factors, let interpolation):
      let mode: [(String, String)] =
        switch interpolation {
        case .linear: [("mode", "linear_onnx"), ("coordinate_transformation_mode", "half_pixel")]
        case .nearest:
          [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")]
        }
      // By scale; the sizes are asked for but not used.
      let scales = try list("\(name)/scales", factors.map(Double.init), "f32")
      let sizes = try list("\(name)/sizes", factors.map { _ in 1 }, "i64")
      let axes = try list("\(name)/axes", factors.indices.map { Double($0 + 2) }, "i64")
      return add(
        "Interpolate", name, [input, sizes, scales, axes], mode + [("shape_calculation_mode", "scales")], shape,
        names: names, set: "opset4")
    case .dropout: return add("Identity", name, [input], [], shape, names: names, set: "opset16")
    }
  }

  private static let numpyBroadcast = [("auto_broadcast", "numpy")]

  /// Instance normalisation with mean and variance taken in stages: y = x r + (shift - mean r), r = scale / sqrt(variance).
  private mutating func normalize(
    _ input: Result, _ norm: Graph.Operation.Normalization, _ stages: PoolingStages, _ name: String, _ names: String?
  ) throws -> Result {
    let one = [input.shape[0], norm.channels] + [Int?](repeating: 1, count: network.graph.spatialRank)
    func binary(_ type: String, _ part: String, _ left: Result, _ right: Result, _ shape: [Int?]) -> Result {
      add(type, "\(name)/\(part)", [left, right], Self.numpyBroadcast, shape)
    }
    let mean = try self.mean(of: input, stages, "\(name)/mean", one)
    let difference = binary("Subtract", "difference", input, mean, input.shape)
    let square = binary("Multiply", "square", difference, difference, input.shape)
    let variance = try self.mean(of: square, stages, "\(name)/variance", one)
    let steadied = binary("Add", "steadied", variance, try number(norm.epsilon), one)
    let deviation = add("Sqrt", "\(name)/deviation", [steadied], [], one)
    let scale = try norm.scale.map { try perChannel($0, norm.channels) } ?? number(1)
    let factor = binary("Divide", "factor", scale, deviation, one)
    let moved = binary("Multiply", "moved", mean, factor, one)
    let shift = try norm.shift.map { try perChannel($0, norm.channels) } ?? number(0)
    let offset = binary("Subtract", "offset", shift, moved, one)
    let scaled = binary("Multiply", "scaled", input, factor, input.shape)
    return add("Add", name, [scaled, offset], Self.numpyBroadcast, input.shape, names: names)
  }

  /// (N, C, spatial axes...) as (N, spatial axes..., C).
  private mutating func movingChannelsLast(_ input: Result, _ name: String) throws -> Result {
    let order = [0] + (2..<input.shape.count) + [1]
    let axes = try list("order of axes", order.map(Double.init), "i64")
    return add("Transpose", name, [input, axes], [], order.map { input.shape[$0] }, names: name)
  }

  /// The mean over all spatial axes: of windows along the last axis, of windows of these, and of the rest.
  private mutating func mean(
    of input: Result, _ stages: PoolingStages, _ name: String, _ shape: [Int?]
  ) throws -> Result {
    var pooled = input
    for (index, window) in stages.windows.enumerated() {
      let none = text([Int](repeating: 0, count: window.count))
      let smaller =
        pooled.shape[..<2] + zip(pooled.shape[2...], window).map { size, length in size.map { $0 / length } }
      pooled = add(
        "AvgPool", "\(name)/\(index)", [pooled],
        [
          ("kernel", text(window)), ("strides", text(window)), ("pads_begin", none), ("pads_end", none),
          ("exclude-pad", "true"), ("rounding_type", "floor"), ("auto_pad", "explicit"),
        ], Array(smaller))
    }
    let axes = try list("spatial axes", (0..<network.graph.spatialRank).map { Double($0 + 2) }, "i64")
    return add("ReduceMean", name, [pooled, axes], [("keep_dims", "true")], shape)
  }

  /// One of several layers that stand for one node.
  private struct Step {
    var type: String
    var others: [Result]
    var attributes: [(String, String)]
    var set: String

    init(_ type: String, _ others: [Result], _ attributes: [(String, String)], set: String = "opset1") {
      self.type = type
      self.others = others
      self.attributes = attributes
      self.set = set
    }
  }

  /// Layers of which each takes the result of the one before as its first input; all results have the same shape.
  private mutating func chain(
    _ input: Result, _ steps: [Step], _ name: String, _ shape: [Int?], _ names: String?
  ) -> Result {
    var result = input
    for (index, step) in steps.enumerated() {
      let isLast = index == steps.count - 1
      result = add(
        step.type, isLast ? name : "\(name)/\(step.type)", [result] + step.others, step.attributes, shape,
        names: isLast ? names : nil, set: step.set)
    }
    return result
  }

  private func attributes(of convolution: Graph.Operation.Convolution) -> [(String, String)] {
    [
      ("strides", text(convolution.stride)), ("dilations", text(convolution.kernel.map { _ in 1 })),
      ("pads_begin", text(convolution.padding)), ("pads_end", text(convolution.padding)), ("auto_pad", "explicit"),
    ]
  }

  private mutating func bias(_ convolution: Graph.Operation.Convolution) throws -> [Step] {
    guard let bias = convolution.bias else { return [] }
    return [Step("Add", [try perChannel(bias, convolution.outputChannels)], Self.numpyBroadcast)]
  }

  // MARK: Constants

  private mutating func parameter(_ name: String, _ shape: [Int]) throws -> Result {
    let key = "\(name) \(text(shape))"
    if let known = constants[key] { return known }
    guard let offset = weights.offsets[name] else {
      throw Failure(.internalError, "the network has no weights for \(name)")
    }
    let result = add(
      "Const", key, [],
      [
        ("element_type", "f32"), ("shape", text(shape)), ("offset", "\(offset)"),
        ("size", "\(shape.reduce(4, *))"),
      ], shape)
    constants[key] = result
    return result
  }

  /// A parameter shaped so that it meets the channel axis.
  private mutating func perChannel(_ name: String, _ channels: Int) throws -> Result {
    try parameter(name, [1, channels] + [Int](repeating: 1, count: network.graph.spatialRank))
  }

  /// A number that is no weight. Constants can only point into the weights' memory, so an arbitrary weight is limited
  /// to the range from `value` to `value`; OpenVINO evaluates that while compiling.
  private mutating func number(_ value: Double) throws -> Result {
    let key = "number \(value)"
    if let known = constants[key] { return known }
    guard let any = network.graph.parameters.first else {
      throw Failure(.internalError, "\(network.graph.name) has no parameters")
    }
    let firstElement = try parameter(any.name, [1])
    let result = add("Clamp", key, [firstElement], [("min", "\(value)"), ("max", "\(value)")], [1])
    constants[key] = result
    return result
  }

  /// A list of numbers, `type` f32 or i64.
  private mutating func list(_ name: String, _ values: [Double], _ type: String) throws -> Result {
    let key = "list \(name)"
    if let known = constants[key] { return known }
    let result = try makeList(name, values, type)
    constants[key] = result
    return result
  }

  private mutating func makeList(_ name: String, _ values: [Double], _ type: String) throws -> Result {
    let numbers = try values.map { try number($0) }
    let floats = add("Concat", "\(name)/list", numbers, [("axis", "0")], [values.count])
    if type == "f32" { return floats }
    return add("Convert", name, [floats], [("destination_type", type)], [values.count], precision: "I64")
  }

  /// A parameter of one number per channel, or a constant where the normalisation has none.
  private mutating func vector(_ name: String?, standIn: Double, _ channels: Int) throws -> Result {
    if let name { return try parameter(name, [channels]) }
    return try list("\(standIn) for \(channels)", [Double](repeating: standIn, count: channels), "f32")
  }

  // MARK: Text

  private mutating func add(
    _ type: String, _ name: String, _ inputs: [Result], _ attributes: [(String, String)], _ shape: [Int?]?,
    names: String? = nil, precision: String = "FP32", set: String = "opset1"
  ) -> Result {
    let id = layerCount
    layerCount += 1
    layers += "<layer id=\"\(id)\" name=\"\(name)\" type=\"\(type)\" version=\"\(set)\">"
    if !attributes.isEmpty {
      layers += "<data" + attributes.map { " \($0)=\"\($1)\"" }.joined() + "/>"
    }
    if !inputs.isEmpty {
      layers += "<input>"
      for (port, input) in inputs.enumerated() {
        layers += "<port id=\"\(port)\" precision=\"\(input.precision)\">\(dimensions(input.shape))</port>"
        edges +=
          "<edge from-layer=\"\(input.layer)\" from-port=\"\(input.port)\" to-layer=\"\(id)\" to-port=\"\(port)\"/>\n"
      }
      layers += "</input>"
    }
    if let shape {
      let names = names.map { " names=\"\($0)\"" } ?? ""
      layers +=
        "<output><port id=\"\(inputs.count)\" precision=\"\(precision)\"\(names)>\(dimensions(shape))</port></output>"
    }
    layers += "</layer>\n"
    return Result(layer: id, port: inputs.count, shape: shape ?? [], precision: precision)
  }

  private func dimensions(_ shape: [Int?]) -> String {
    shape.map { "<dim>\($0 ?? -1)</dim>" }.joined()
  }

  private func text(_ sizes: [Int?]) -> String {
    sizes.map { $0.map(String.init) ?? "?" }.joined(separator: ",")
  }
}

/// The windows whose means are taken first, so that no sum has many terms.
private struct PoolingStages {
  /// One entry for each spatial axis; they divide the axes evenly.
  let windows: [[Int]]

  /// Below so many voxels one sum is exact enough.
  private static let fewVoxels = 1 << 13

  /// nil where stages are not needed, or not possible.
  ///
  /// - Parameter shape: (N, C, spatial axes...)
  init?(_ shape: [Int?]) {
    let sizes = shape.dropFirst(2).compactMap { $0 }
    guard sizes.count == shape.count - 2, let last = sizes.last, sizes.reduce(1, *) > Self.fewVoxels else { return nil }
    func divisor(of size: Int, atMost limit: Int) -> Int { (1...limit).last { size % $0 == 0 } ?? 1 }
    var along = sizes.map { _ in 1 }
    var across = sizes.map { divisor(of: $0, atMost: 8) }
    along[along.count - 1] = divisor(of: last, atMost: 16)
    across[across.count - 1] = 1
    windows = [along, across].filter { window in window.contains { $0 > 1 } }
    // Axes that hardly anything divides would leave long sums; there are none among the patches that nnU-Net plans.
    guard windows.joined().reduce(1, *) >= 16 else { return nil }
  }
}
