import Basics
import Checkpoints
import Networks

/// Channels of one array, and how whoever reads them sees them.
struct NativeFeatures {
  /// Where the array lies: an index into `NativePlan.arrays`; nil is the image.
  var array: Int?
  var channels: Int
  /// Where scale and shift lie in the plan's `affine`, each with a value for every lane; nil leaves values as they are.
  var affine: Int?
  /// Of negative values; 1 leaves them as they are.
  var slope: Float = 1

  var blocks: Int { NativePlan.blocks(of: channels) }
  var isPlain: Bool { affine == nil && slope == 1 }
}

/// What is computed in one go, over all cores.
struct NativeStep {
  enum Operation {
    case convolution(Graph.Operation.Convolution)
    /// A transposed convolution.
    case enlargement(Graph.Operation.Convolution)
    /// Of all inputs.
    case sum
    case pooling(window: [Int])
    /// Only looks at its input.
    case statistics
  }

  var operation: Operation
  var inputs: [NativeFeatures]
  /// The array written; of `statistics`, the array looked at.
  var output: Int
  var outputChannels: Int
  /// (Z, Y, X)
  var inputSize: [Int]
  var outputSize: [Int]
  /// What the statistics of the output are for.
  var normalization: NativeNormalization?
}

/// Makes scale and shift of the statistics of an array.
struct NativeNormalization {
  /// Where they go in the plan's `affine`.
  var affine: Int
  var epsilon: Double
  /// One value for every lane.
  var scale: [Float]
  var shift: [Float]
}

/// A graph as steps over blocked arrays.
///
/// Normalisations and activations are no steps: they become part of how the next step sees its input. Neither are
/// concatenations.
struct NativePlan {
  static let lanes = 16

  /// How many blocks hold so many channels.
  static func blocks(of channels: Int) -> Int { (channels + lanes - 1) / lanes }

  private(set) var steps: [NativeStep] = []
  /// The number of values in each array.
  private(set) var arrays: [Int] = []
  /// Scales and shifts; those of normalisations by statistics are filled in while the plan is executed.
  private(set) var affine: [Float] = []
  /// What makes up each output of the graph, channel after channel.
  private(set) var outputs: [[NativeFeatures]] = []
  /// (Z, Y, X) of each output.
  private(set) var outputSizes: [[Int]] = []

  private let network: Network
  /// The step that wrote each array.
  private var writers: [Int] = []

  /// - Parameter shapes: of the graph's values, (N, C, spatial axes...).
  ///
  /// Throws `engine` for what the native engine does not run.
  init(_ network: Network, shapes: [[Int]]) throws {
    self.network = network
    let graph = network.graph
    var values = [[NativeFeatures(array: nil, channels: graph.inputChannels)]]
    let sizes = shapes.map(Self.size)
    for (index, node) in graph.nodes.enumerated() {
      let inputs = node.inputs.map { values[$0.index] }
      let inputSize = sizes[node.inputs[0].index]
      values.append(try add(node, inputs: inputs, inputSize: inputSize, outputSize: sizes[index + 1]))
    }
    outputs = graph.outputs.map { values[$0.index] }
    outputSizes = graph.outputs.map { sizes[$0.index] }
    guard !outputs.joined().contains(where: { $0.array == nil }) else { throw Self.refusal("a network without layers") }
  }

  /// The steps before arrays first shrink, and the last convolution of neighbouring voxels with what follows it.
  ///
  /// With the rest in bf16, these in fp32 halve the error of the answer and the voxels that change, for an eighth more time:
  /// what they make reaches the answer without being averaged over many voxels.
  var stepsNearImageAndAnswer: Set<Int> {
    let firstSmall = steps.firstIndex { $0.outputSize != $0.inputSize } ?? steps.count
    let last = steps.lastIndex { step in
      if case .convolution(let convolution) = step.operation { return convolution.kernel.contains { $0 > 1 } }
      return false
    }
    return Set(0..<firstSmall).union((last ?? steps.count)..<steps.count)
  }

  /// Two-dimensional networks run on one slice.
  private static func size(_ shape: [Int]) -> [Int] { axes(Array(shape.dropFirst(2)), filler: 1) }

  static func axes(_ list: [Int], filler: Int) -> [Int] { [Int](repeating: filler, count: 3 - list.count) + list }

  static func refusal(_ what: String) -> Failure {
    Failure(.engine, "the native engine does not run \(what)", hint: "choose the engine openvino or onnxruntime")
  }

  private mutating func add(
    _ node: Graph.Node, inputs: [[NativeFeatures]], inputSize: [Int], outputSize: [Int]
  ) throws -> [NativeFeatures] {
    switch node.operation {
    case .convolution, .dropout, .groupNorm, .upsampling: break
    default:
      guard !inputs.joined().contains(where: { $0.array == nil }) else {
        throw Self.refusal("\(node.name) on the image itself")
      }
    }
    switch node.operation {
    case .convolution(let convolution):
      return append(.convolution(convolution), inputs[0], convolution.outputChannels, inputSize, outputSize)
    case .transposedConvolution(let convolution):
      guard convolution.kernel == convolution.stride, convolution.padding.allSatisfy({ $0 == 0 }) else {
        throw Self.refusal("transposed convolutions whose kernel is not their stride")
      }
      return append(.enlargement(convolution), inputs[0], convolution.outputChannels, inputSize, outputSize)
    case .instanceNorm(let norm):
      var first = 0
      return try inputs[0].map { features in
        defer { first += features.channels }
        return try normalized(features, norm, channels: first..<first + features.channels, size: inputSize)
      }
    case .batchNorm(let norm, let mean, let variance):
      let means = floats(mean, count: norm.channels, default: 0)
      let variances = floats(variance, count: norm.channels, default: 1)
      let (scales, shifts) = weights(of: norm)
      var scale: [Float] = []
      var shift: [Float] = []
      for channel in 0..<norm.channels {
        let factor = Double(scales[channel]) / (Double(variances[channel]) + norm.epsilon).squareRoot()
        scale.append(Float(factor))
        shift.append(Float(Double(shifts[channel]) - Double(means[channel]) * factor))
      }
      var first = 0
      return inputs[0].map { features in
        var result = plain(features, size: inputSize)
        let range = first..<first + features.channels
        first = range.upperBound
        result.affine = appendAffine(scale: Array(scale[range]), shift: Array(shift[range]))
        return result
      }
    case .leakyReLU(let slope):
      guard slope <= 1 else { throw Self.refusal("activations of slope \(slope)") }
      return inputs[0].map { features in
        var result = features.slope == 1 ? features : plain(features, size: inputSize)
        if result.affine == nil {
          let ones = [Float](repeating: 1, count: features.channels)
          result.affine = appendAffine(scale: ones, shift: ones.map { _ in 0 })
        }
        result.slope = Float(slope)
        return result
      }
    case .add:
      // Both sides have the same channels, but one may come in more pieces.
      guard inputs.allSatisfy({ $0.map(\.channels) == inputs[0].map(\.channels) }) else {
        throw Self.refusal("the sum of a concatenation")
      }
      return inputs[0].indices.flatMap { piece in
        let parts = inputs.map { $0[piece] }
        return append(.sum, parts, parts[0].channels, inputSize, outputSize)
      }
    case .concatenation:
      return Array(inputs.joined())
    case .averagePooling(let window):
      return inputs[0].flatMap { features in
        return append(
          .pooling(window: Self.axes(window, filler: 1)), [features], features.channels, inputSize, outputSize)
      }
    case .dropout: return inputs[0]
    case .groupNorm: throw Self.refusal("group normalisation")
    case .upsampling: throw Self.refusal("enlargement by interpolation")
    }
  }

  private mutating func append(
    _ operation: NativeStep.Operation, _ inputs: [NativeFeatures], _ channels: Int, _ inputSize: [Int],
    _ outputSize: [Int]
  ) -> [NativeFeatures] {
    let result = NativeFeatures(array: arrays.count, channels: channels)
    steps.append(
      NativeStep(
        operation: operation, inputs: inputs, output: arrays.count, outputChannels: channels, inputSize: inputSize,
        outputSize: outputSize))
    arrays.append(result.blocks * Self.lanes * outputSize.reduce(1, *))
    writers.append(steps.count - 1)
    return [result]
  }

  /// The features as an array that is seen as it is.
  private mutating func plain(_ features: NativeFeatures, size: [Int]) -> NativeFeatures {
    if features.isPlain { return features }
    return append(.sum, [features], features.channels, size, size)[0]
  }

  private mutating func normalized(
    _ features: NativeFeatures, _ norm: Graph.Operation.Normalization, channels: Range<Int>, size: [Int]
  ) throws -> NativeFeatures {
    var result = plain(features, size: size)
    guard let array = result.array else { throw Failure(.internalError, "an image that is normalised") }
    let (scale, shift) = weights(of: norm)
    let affine = appendAffine(scale: Array(scale[channels]), shift: Array(shift[channels]))
    let lanes = result.blocks * Self.lanes
    let normalization = NativeNormalization(
      affine: affine, epsilon: norm.epsilon, scale: Array(self.affine[affine..<affine + lanes]),
      shift: Array(self.affine[affine + lanes..<affine + 2 * lanes]))
    let writer = writers[array]
    if case .convolution = steps[writer].operation, steps[writer].normalization == nil {
      steps[writer].normalization = normalization
    } else {
      steps.append(
        NativeStep(
          operation: .statistics, inputs: [result], output: array, outputChannels: result.channels, inputSize: size,
          outputSize: size, normalization: normalization))
    }
    result.affine = affine
    return result
  }

  private mutating func appendAffine(scale: [Float], shift: [Float]) -> Int {
    let place = affine.count
    let filler = [Float](repeating: 0, count: (Self.lanes - scale.count % Self.lanes) % Self.lanes)
    affine += scale + filler + shift + filler
    return place
  }

  private func weights(of norm: Graph.Operation.Normalization) -> (scale: [Float], shift: [Float]) {
    (floats(norm.scale, count: norm.channels, default: 1), floats(norm.shift, count: norm.channels, default: 0))
  }

  private func floats(_ name: String?, count: Int, default value: Float) -> [Float] {
    name.flatMap { network.weights[$0] }?.floats() ?? [Float](repeating: value, count: count)
  }
}
