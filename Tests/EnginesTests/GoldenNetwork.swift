import Basics
import Checkpoints
import Networks
import TestSupport
import Testing

@testable import Engines

/// A tiny network of which Tests/NetworksTests/Resources/make_networks.py has computed the answer with PyTorch.
struct GoldenNetwork: Sendable, CustomTestStringConvertible {
  let name: String
  let network: Network
  /// With all deep-supervision heads.
  let trainingGraph: Graph
  let inputShape: [Int]
  let output: [Float]
  let outputShape: [Int]

  var testDescription: String { name }

  static let all: [GoldenNetwork] = {
    let path = ReferenceData.repositoryFolder + "/Tests/NetworksTests/Resources/networks.json"
    do {
      return try (JSON.read(path).array ?? []).map(GoldenNetwork.init)
    } catch {
      Issue.record(error)
      return []
    }
  }()

  init(_ json: JSON) throws {
    name = try #require(json["name"]?.string)
    let plans = try #require(json["architecture"])
    inputShape = try #require(json["input_shape"]?.ints)
    outputShape = try #require(json["output_shape"]?.ints)
    output = try #require(json["output"]?.doubles).map(Float.init)
    var configuration = try UNetConfiguration(
      architecture: plans, inputChannels: inputShape[1], outputChannels: try #require(json["classes"]?.int))
    if json["parameters"]?.array?.contains(where: { $0.array?[0].string?.hasSuffix("running_mean") == true }) == true {
      configuration.normalization = .batch(epsilon: 1e-5, affine: true)
    }
    // With all heads, because the formula counts their weights too.
    let complete = try configuration.makeGraph(deepSupervision: true)
    trainingGraph = complete
    network = try Network(graph: configuration.makeGraph(), weights: formulaWeights(complete))
  }
}

/// The weights of the golden files: 0.3 sin(0.7 k + 0.2) for the k-th element, plus 1 for scales and variances.
func formulaWeights(_ graph: Graph) throws -> [String: Tensor] {
  var weights: [String: Tensor] = [:]
  var k = 0
  for parameter in graph.parameters {
    let isFactor = parameter.name.hasSuffix("norm.weight") || parameter.role == .runningVariance
    let values = (k..<k + parameter.count).map { Float(0.3 * sine(0.7 * Double($0) + 0.2) + (isFactor ? 1 : 0)) }
    weights[parameter.name] = try Tensor(floats: values, shape: parameter.shape)
    k += parameter.count
  }
  return weights
}

/// One pass through `engine` with the golden files' input, cos(0.5 n) for the n-th element.
func run(
  _ network: Network, inputShape: [Int], on engine: any Engine, precision: Precision = .fp32, device: String = "CPU"
) throws -> (shape: [Int], values: [Float]) {
  let compiled = try engine.compile(
    network, inputShape: inputShape, options: CompileOptions(device: device, precision: precision))
  #expect(compiled.precision == precision)
  #expect(compiled.inputShape == inputShape)
  let request = try compiled.makeRequest()
  for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
  try request.start()
  return (compiled.outputShape, Array(try request.wait()))
}

func largestDifference(_ one: some Sequence<Float>, _ other: some Sequence<Float>) -> Float {
  zip(one, other).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

/// By how much an engine is off, in parts of the largest value, where means and variances are taken of many voxels far from
/// zero.
func errorOfStatistics(patch: [Int], on engine: any Engine) throws -> Float {
  var builder = GraphBuilder(spatialRank: patch.count, inputChannels: 1)
  let ones = [Int](repeating: 1, count: patch.count)
  let spread = builder.convolution(
    .input, name: "spread", outputChannels: 16, kernel: ones, stride: ones, bias: true)
  let normal = builder.instanceNorm(spread, name: "normal", epsilon: 1e-5, affine: true)
  let graph = builder.graph(name: "Normal", outputs: [normal])
  let network = try Network(graph: graph, weights: formulaWeights(graph))
  let shape = [1, 1] + patch
  let expected = try run(network, inputShape: shape, on: ReferenceEngine())
  let result = try run(network, inputShape: shape, on: engine)
  let largest = expected.values.reduce(0) { max($0, abs($1)) }
  return largestDifference(result.values, expected.values) / largest
}

/// An engine's answers with the channels first, and those with the channels last brought into the same order.
func answersInBothOrders(_ golden: GoldenNetwork, on engine: any Engine) throws -> (first: [Float], last: [Float]) {
  let answers = try [false, true].map { takes in
    let compiled = try engine.compile(
      golden.network, inputShape: golden.inputShape, options: .init(precision: .fp32, takesChannelsLast: takes))
    #expect(compiled.isChannelsLast == takes && compiled.outputShape == golden.outputShape)
    let request = try compiled.makeRequest()
    for index in request.input.indices { request.input[index] = Float(cosine(0.5 * Double(index))) }
    try request.start()
    return Array(try request.wait())
  }
  let (channels, voxels) = (golden.outputShape[1], golden.outputShape.dropFirst(2).reduce(1, *))
  let turned = answers[1].indices.map { index in
    let (sample, place) = index.quotientAndRemainder(dividingBy: channels * voxels)
    return answers[1][sample * channels * voxels + place % voxels * channels + place / voxels]
  }
  return (answers[0], turned)
}
