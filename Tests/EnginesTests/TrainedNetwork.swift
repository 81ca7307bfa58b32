import Basics
import Checkpoints
import Foundation
import Networks
import TestSupport
import Testing

@testable import Engines

/// A tiny network of which Resources/make_gradients.py has computed the gradients with PyTorch's autograd in float64.
struct TrainedNetwork: Sendable, CustomTestStringConvertible {
  let network: GoldenNetwork
  let gradients: [String: [Float]]

  var testDescription: String { network.name }

  static let all: [TrainedNetwork] = {
    do {
      let url = try #require(Bundle.module.url(forResource: "Resources/gradients", withExtension: "json"))
      return try (JSON.read(url.path).array ?? []).map { json in
        let network = try #require(GoldenNetwork.all.first { $0.name == json["name"]?.string })
        var gradients: [String: [Float]] = [:]
        for parameter in network.trainingGraph.parameters where parameter.role.isTrained {
          gradients[parameter.name] = try #require(json["gradients"]?[parameter.name]?.doubles).map(Float.init)
        }
        return TrainedNetwork(network: network, gradients: gradients)
      }
    } catch {
      Issue.record(error)
      return []
    }
  }()

  /// Feeds the gradients of all outputs and compares those of all parameters.
  func check(on engine: any TrainingEngine) throws {
    let graph = network.trainingGraph
    let trainable = try engine.makeTrainable(
      graph, parameters: formulaWeights(graph), options: CompileOptions(precision: .fp32))
    let input = (0..<network.inputShape.reduce(1, *)).map { Float(cosine(0.5 * Double($0))) }
    let sizes = try input.withUnsafeBufferPointer {
      try trainable.forward(
        $0, shape: network.inputShape, wanted: graph.outputs.map { _ in true }, isTraining: true
      ).map { $0?.values.count ?? 0 }
    }
    let seeds = sizes.enumerated().map { output, count in
      (0..<count).map { Float(0.1 * sine(0.3 * Double($0) + Double(output))) }
    }
    try withBuffers(seeds) { try trainable.backward($0) }
    try trainable.update(GradientDescent(rate: 0, momentum: 0.9, decay: 0, normLimit: nil))
    let computed = try trainable.momenta()
    // Float32 against float64, through up to thirty layers; instance norms of a few voxels enlarge what rounding left.
    let scale = gradients.values.reduce(0) { $1.reduce($0) { max($0, abs($1)) } }
    for (name, expected) in gradients {
      let values = try #require(computed[name]).floats()
      #expect(values.count == expected.count)
      #expect(largestDifference(values, expected) < 5e-4 * scale, "\(name)")
    }
  }
}
