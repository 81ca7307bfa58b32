import Basics
import Checkpoints
import Foundation
import Networks
import Testing

@testable import Engines

/// Steps of one of PyTorch's optimisers, of which Resources/make_optimizers.py has computed the numbers.
struct OptimizerGolden: Sendable, CustomTestStringConvertible {
  struct Step: Sendable {
    let gradient: [Float]
    let parameter: [Float]
    let count: Int
    let state: [String: [Float]]
  }

  let name: String
  let steps: [Step]

  var testDescription: String { name }

  static let all: [OptimizerGolden] = {
    do {
      let url = try #require(Bundle.module.url(forResource: "Resources/optimizers", withExtension: "json"))
      return try #require(JSON.read(url.path).array).map { json in
        let steps = try #require(json["steps"]?.array).map { step in
          let state = try #require(step["state"]?.object).members.map { ($0.key, floats($0.value)) }
          return Step(
            gradient: floats(step["gradient"]), parameter: floats(step["parameter"]),
            count: try #require(step["step"]?.int), state: Dictionary(uniqueKeysWithValues: state))
        }
        return OptimizerGolden(name: try #require(json["name"]?.string), steps: steps)
      }
    } catch {
      Issue.record(error)
      return []
    }
  }()

  private static func floats(_ json: JSON?) -> [Float] { (json?.doubles ?? []).map(Float.init) }

  private var optimizer: Optimizer {
    var adam = Optimizer.Adam()
    switch name {
    case "sgd": return .nesterov(momentum: 0.99)
    case "adam": return .adam(adam)
    case "adan": return .adan(.init())
    default:
      (adam.isDecoupled, adam.keepsLargest) = (true, true)
      return .adam(adam)
    }
  }

  /// Follows the steps; after the third, with a network made anew from what the first has left.
  func check(on engine: any TrainingEngine) throws {
    // y = w x for x = 1: the gradient of w is that of y.
    var builder = GraphBuilder(spatialRank: 2, inputChannels: 1)
    let output = builder.convolution(.input, name: "w", outputChannels: 6, kernel: [1, 1], bias: false)
    let graph = builder.graph(name: "numbers", outputs: [output])
    let options = CompileOptions(precision: .fp32)
    let shape = [6, 1, 1, 1]
    let start = (0..<6).map { -1 + 0.4 * Float($0) }
    var network = try engine.makeTrainable(
      graph, parameters: ["w.weight": Tensor(floats: start, shape: shape)], options: options)
    for (number, step) in steps.enumerated() {
      if number == 3 {
        let (parameters, state) = (try network.parameters(), try network.optimizerState())
        network = try engine.makeTrainable(graph, parameters: parameters, options: options)
        try network.restore(parameters: parameters, state: state)
      }
      try [Float(1)].withUnsafeBufferPointer {
        _ = try network.forward($0, shape: [1, 1, 1, 1], wanted: [true], isTraining: true)
      }
      // As if the loss had been scaled by 8.
      try withBuffers([step.gradient.map { 8 * $0 }]) { try network.backward($0) }
      try network.update(GradientDescent(rate: 1e-2, optimizer: optimizer, gradientFactor: 1 / 8))
      let state = try network.optimizerState()
      #expect(Set(state.arrays.keys) == Set(step.state.keys))
      #expect((state.steps["w.weight"] ?? 0) == step.count)
      for (kind, expected) in step.state {
        let values = try #require(state.arrays[kind]?["w.weight"]).floats()
        // PyTorch rounds after each operation.
        #expect(largestDifference(values, expected) < 1e-5 * max(1, expected.map(abs).max() ?? 1), "\(kind)")
      }
      let values = try #require(network.parameters()["w.weight"]).floats()
      #expect(largestDifference(values, step.parameter) < 2e-6, "step \(number)")
    }
  }
}
