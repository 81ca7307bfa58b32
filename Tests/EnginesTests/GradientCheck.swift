import Basics
import Checkpoints
import Foundation
import Networks
import TestSupport
import Testing

@testable import Engines

/// A small network whose gradients are compared with differences of its result.
struct GradientCase: Sendable, CustomTestStringConvertible {
  let name: String
  let graph: Graph
  let shape: [Int]

  var testDescription: String { name }

  /// Behind a convolution, so that the operation's gradient of its input shows in the weights in front of it.
  init(_ name: String, _ shape: [Int], _ body: (inout GraphBuilder, Graph.Value) -> [Graph.Value]) {
    self.name = name
    self.shape = shape
    var builder = GraphBuilder(spatialRank: shape.count - 2, inputChannels: shape[1])
    let ones = [Int](repeating: 1, count: shape.count - 2)
    let first = builder.convolution(.input, name: "first", outputChannels: 4, kernel: ones, bias: true)
    let outputs = body(&builder, first)
    graph = builder.graph(name: name, outputs: outputs)
  }

  static let all: [GradientCase] = [
    GradientCase("convolution 3D", [2, 2, 3, 4, 5]) {
      [$0.convolution($1, name: "op", outputChannels: 3, kernel: [3, 3, 3], stride: [1, 2, 1], bias: true)]
    },
    GradientCase("convolution 2D", [1, 1, 6, 5]) {
      [$0.convolution($1, name: "op", outputChannels: 5, kernel: [3, 3], stride: [2, 1], bias: false)]
    },
    GradientCase("transposed convolution 3D", [2, 2, 2, 3, 2]) {
      [$0.transposedConvolution($1, name: "op", outputChannels: 3, factors: [1, 2, 2], bias: true)]
    },
    GradientCase("transposed convolution 2D", [2, 2, 3, 2]) {
      [$0.transposedConvolution($1, name: "op", outputChannels: 3, factors: [2, 2], bias: false)]
    },
    GradientCase("instance norm", [2, 2, 3, 2, 3]) { [$0.instanceNorm($1, name: "norm", epsilon: 1e-5)] },
    GradientCase("instance norm without parameters", [2, 2, 3, 4]) {
      [$0.instanceNorm($1, name: "norm", epsilon: 1e-3, affine: false)]
    },
    GradientCase("instance norm, leaky ReLU", [2, 2, 3, 4, 3]) {
      let norm = $0.instanceNorm($1, name: "norm", epsilon: 1e-5)
      return [$0.leakyReLU(norm, name: "nonlin", slope: 0.01)]
    },
    GradientCase("group norm", [2, 3, 4, 3]) { [$0.groupNorm($1, name: "norm", groups: 2, epsilon: 1e-5)] },
    GradientCase("group norm, ReLU", [2, 3, 4, 3, 2]) {
      let norm = $0.groupNorm($1, name: "norm", groups: 2, epsilon: 1e-5)
      return [$0.leakyReLU(norm, name: "nonlin", slope: 0)]
    },
    GradientCase("batch norm", [3, 2, 3, 2, 2]) { [$0.batchNorm($1, name: "norm", epsilon: 1e-5)] },
    GradientCase("leaky ReLU", [1, 2, 4, 3]) { [$0.leakyReLU($1, name: "nonlin", slope: 0.2)] },
    GradientCase("sum and concatenation", [2, 2, 3, 3]) {
      let active = $0.leakyReLU($1, name: "nonlin", slope: 0.1)
      let sum = $0.add(active, $1, name: "sum")
      return [$0.concatenation([sum, active, $1], name: "concatenation")]
    },
    GradientCase("sum, leaky ReLU", [2, 2, 3, 3, 2]) {
      let other = $0.instanceNorm($1, name: "norm", epsilon: 1e-5)
      let sum = $0.add(other, $1, name: "sum")
      return [$0.leakyReLU(sum, name: "nonlin", slope: 0.01)]
    },
    GradientCase("average pooling 3D with a rest", [2, 2, 4, 3, 5]) {
      [$0.averagePooling($1, name: "pool", window: [2, 1, 2])]
    },
    GradientCase("average pooling 2D", [2, 2, 4, 3]) { [$0.averagePooling($1, name: "pool", window: [2, 3])] },
    GradientCase("upsampling linear 3D", [2, 2, 2, 3, 2]) {
      [$0.upsampling($1, name: "up", factors: [2, 3, 1], .linear)]
    },
    GradientCase("upsampling linear 2D", [2, 2, 3, 2]) { [$0.upsampling($1, name: "up", factors: [2, 2], .linear)] },
    GradientCase("upsampling nearest 3D", [1, 2, 2, 3, 2]) {
      [$0.upsampling($1, name: "up", factors: [2, 1, 2], .nearest)]
    },
    GradientCase("upsampling nearest 2D", [1, 2, 3, 2]) { [$0.upsampling($1, name: "up", factors: [2, 3], .nearest)] },
    GradientCase("dropout", [2, 2, 3, 2]) { [$0.dropout($1, name: "drop", probability: 0.4)] },
    GradientCase("convolution 3D, stride 2", [1, 2, 4, 5, 3]) {
      [$0.convolution($1, name: "op", outputChannels: 2, kernel: [3, 3, 3], stride: [2, 2, 2], bias: true)]
    },
    GradientCase("convolution 3D, flat kernel", [2, 1, 2, 4, 4]) {
      [$0.convolution($1, name: "op", outputChannels: 3, kernel: [1, 3, 3], stride: [1, 2, 2], bias: false)]
    },
    GradientCase("instance norm 2D", [2, 2, 4, 3]) { [$0.instanceNorm($1, name: "norm", epsilon: 1e-5)] },
    GradientCase("group norm without parameters", [2, 2, 3, 2, 3]) {
      [$0.groupNorm($1, name: "norm", groups: 2, epsilon: 1e-4, affine: false)]
    },
    GradientCase("batch norm 2D, leaky ReLU", [2, 2, 4, 3]) {
      let norm = $0.batchNorm($1, name: "norm", epsilon: 1e-5)
      // Nearly straight: some value is always so close to the bend that differences step over it.
      return [$0.leakyReLU(norm, name: "nonlin", slope: 0.97)]
    },
    GradientCase("batch norm without parameters", [2, 2, 3, 2, 3]) {
      [$0.batchNorm($1, name: "norm", epsilon: 1e-4, affine: false)]
    },
    GradientCase("concatenation 3D", [2, 2, 2, 3, 2]) {
      let active = $0.leakyReLU($1, name: "nonlin", slope: 0.3)
      return [$0.concatenation([$1, active], name: "concatenation")]
    },
    GradientCase("dropout 3D", [2, 3, 2, 3, 2]) { [$0.dropout($1, name: "drop", probability: 0.25)] },
    GradientCase("two outputs", [2, 2, 4, 4]) {
      let half = $0.convolution($1, name: "down", outputChannels: 6, kernel: [3, 3], stride: [2, 2], bias: true)
      let head = $0.convolution(half, name: "head", outputChannels: 2, kernel: [1, 1], bias: true)
      let back = $0.transposedConvolution(half, name: "up", outputChannels: 4, factors: [2, 2], bias: true)
      return [$0.concatenation([back, $1], name: "skip"), head]
    },
  ]

  /// Numbers in -0.8...0.8, never close to 0 so that no activation changes sides; 1 is added to scales.
  func parameters() throws -> [String: Tensor] {
    var generator = SeededGenerator(seed: 7)
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters {
      let isFactor = parameter.name == "norm.weight" || parameter.role == .runningVariance
      let values = (0..<parameter.count).map { _ in Float.random(in: -0.8...0.8, using: &generator) + (isFactor ? 1 : 0)
      }
      parameters[parameter.name] = try Tensor(floats: values, shape: parameter.shape)
    }
    return parameters
  }

  func random(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
  }

  /// The gradients of the sum of every output times fixed random numbers; by a fresh network, so that dropout repeats.
  func gradients(
    on engine: any TrainingEngine, options: CompileOptions = CompileOptions(precision: .fp32)
  ) throws -> [String: Tensor] {
    let network = try engine.makeTrainable(graph, parameters: parameters(), options: options)
    let outputs = try forward(network)
    let seeds = outputs.enumerated().map { random($1.count, seed: UInt64(100 + $0)) }
    try withBuffers(seeds) { try network.backward($0) }
    // The momentum begins as the gradient.
    try network.update(GradientDescent(rate: 0, momentum: 0.9, decay: 0, normLimit: nil))
    return try network.momenta()
  }

  /// Copies of the outputs while training.
  func forward(_ network: any TrainableNetwork) throws -> [[Float]] {
    try random(shape.reduce(1, *), seed: 1).withUnsafeBufferPointer { input in
      let wanted = graph.outputs.map { _ in true }
      return try network.forward(input, shape: shape, wanted: wanted, isTraining: true).map { Array($0!.values) }
    }
  }

  /// The sum whose gradients `gradients` computes.
  func loss(_ parameters: [String: Tensor], on engine: any TrainingEngine, options: CompileOptions) throws -> Double {
    let outputs = try forward(engine.makeTrainable(graph, parameters: parameters, options: options))
    return outputs.enumerated().reduce(0) { sum, output in
      zip(output.element, random(output.element.count, seed: UInt64(100 + output.offset)))
        .reduce(sum) { $0 + Double($1.0) * Double($1.1) }
    }
  }

  /// Compares with central differences of the loss. They are of second order; float32 results add noise.
  func check(on engine: any TrainingEngine, options: CompileOptions = CompileOptions(precision: .fp32)) throws {
    let gradients = try gradients(on: engine, options: options)
    let parameters = try parameters()
    #expect(Set(gradients.keys) == Set(graph.parameters.filter(\.role.isTrained).map(\.name)))
    for (name, gradient) in gradients {
      let computed = gradient.floats()
      let values = try #require(parameters[name]).floats()
      for index in stride(from: 0, to: values.count, by: max(1, values.count / 5)) {
        let step: Float = 0.004
        func loss(_ offset: Float) throws -> Double {
          var changed = values
          changed[index] += offset
          var all = parameters
          all[name] = try Tensor(floats: changed, shape: gradient.shape)
          return try self.loss(all, on: engine, options: options)
        }
        let expected = try (loss(step) - loss(-step)) / Double(2 * step)
        #expect(abs(expected - Double(computed[index])) < 0.01 * abs(expected) + 0.02, "\(name)[\(index)]")
      }
    }
  }
}

/// What PyTorch makes of a `GradientCase`: Resources/make_operators.py has computed it with autograd in float64.
struct OperatorGolden: Sendable, CustomTestStringConvertible {
  let example: GradientCase
  let outputs: [[Float]]
  let gradients: [String: [Float]]

  var testDescription: String { example.name }

  static let all: [OperatorGolden] = {
    do {
      let url = try #require(Bundle.module.url(forResource: "Resources/operators", withExtension: "json"))
      let goldens = try #require(JSON.read(url.path).array)
      return try GradientCase.all.map { example in
        let json = try #require(goldens.first { $0["name"]?.string == example.name }, "\(example.name)")
        let outputs = try #require(json["outputs"]?.array).map { ($0.doubles ?? []).map(Float.init) }
        let gradients = try #require(json["gradients"]?.object).members.map {
          ($0.key, ($0.value.doubles ?? []).map(Float.init))
        }
        return OperatorGolden(
          example: example, outputs: outputs, gradients: Dictionary(uniqueKeysWithValues: gradients))
      }
    } catch {
      Issue.record(error)
      return []
    }
  }()

  /// Float32 against float64.
  func check(on engine: any TrainingEngine) throws {
    let graph = example.graph
    let network = try engine.makeTrainable(
      graph, parameters: formulaWeights(graph), options: CompileOptions(precision: .fp32))
    let input = (0..<example.shape.reduce(1, *)).map { Float(cosine(0.5 * Double($0))) }
    let computed = try input.withUnsafeBufferPointer {
      try network.forward($0, shape: example.shape, wanted: graph.outputs.map { _ in true }, isTraining: true)
        .map { Array($0!.values) }
    }
    #expect(computed.count == outputs.count)
    for (one, other) in zip(computed, outputs) {
      #expect(one.count == other.count && largestDifference(one, other) < 2e-5)
    }
    let seeds = outputs.enumerated().map { output, values in
      values.indices.map { Float(sine(0.3 * Double($0) + Double(output))) }
    }
    try withBuffers(seeds) { try network.backward($0) }
    try network.update(GradientDescent(rate: 0, momentum: 0.9, decay: 0, normLimit: nil))
    let found = try network.momenta()
    #expect(Set(found.keys) == Set(gradients.keys))
    for (name, expected) in gradients {
      let values = try #require(found[name]).floats()
      let scale = max(1, expected.map(abs).max() ?? 1)
      #expect(values.count == expected.count && largestDifference(values, expected) < 1e-4 * scale, "\(name)")
    }
  }
}

/// Calls `body` with pointers to all arrays.
func withBuffers<Result>(
  _ arrays: [[Float]], _ body: ([UnsafeBufferPointer<Float>?]) throws -> Result
) rethrows -> Result {
  func nest(_ pointers: [UnsafeBufferPointer<Float>?]) throws -> Result {
    guard pointers.count < arrays.count else { return try body(pointers) }
    return try arrays[pointers.count].withUnsafeBufferPointer { try nest(pointers + [$0]) }
  }
  return try nest([])
}
