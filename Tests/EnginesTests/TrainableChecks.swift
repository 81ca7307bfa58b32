import Basics
import Checkpoints
import Networks
import TestSupport
import Testing

@testable import Engines

/// y = w x for one x: the gradient of w is the gradient of y when x is 1.
private func scalarNetwork(_ count: Int) throws -> Graph {
  var builder = GraphBuilder(spatialRank: 2, inputChannels: 1)
  let output = builder.convolution(.input, name: "w", outputChannels: count, kernel: [1, 1], bias: false)
  return builder.graph(name: "scalars", outputs: [output])
}

/// Follows spec/vectors/training/sgd_polylr.json, computed by torch.optim.SGD and clip_grad_norm_ in float32.
func checkDescent(on engine: any TrainingEngine) throws {
  let vector = try JSON.read(ReferenceData.vectors("training/sgd_polylr.json"))
  let initial = try #require(vector["initial"]?.doubles).map(Float.init)
  let graph = try scalarNetwork(initial.count)
  let shape = [initial.count, 1, 1, 1]
  let network = try engine.makeTrainable(
    graph, parameters: ["w.weight": Tensor(floats: initial, shape: shape)], options: CompileOptions(precision: .fp32))
  for step in try #require(vector["steps"]?.array) {
    let gradient = try #require(step["grad"]?.doubles).map(Float.init)
    try [Float(1)].withUnsafeBufferPointer {
      _ = try network.forward($0, shape: [1, 1, 1, 1], wanted: [true], isTraining: true)
    }
    try withBuffers([gradient]) { try network.backward($0) }
    let norm = try network.update(GradientDescent(rate: try #require(step["lr"]?.double)))
    #expect(abs(norm - (try #require(step["total_norm"]?.double))) < 1e-5 * max(1, norm))
    let parameters = try #require(network.parameters()["w.weight"]).floats()
    let momenta = try #require(network.momenta()["w.weight"]).floats()
    // PyTorch rounds after each operation.
    #expect(largestDifference(parameters, try #require(step["param_after"]?.doubles).map(Float.init)) < 1e-6)
    #expect(largestDifference(momenta, try #require(step["momentum_after"]?.doubles).map(Float.init)) < 5e-6)
  }
}

/// Parameters that no output with a gradient depends on stay as they are, and a norm without a number changes nothing.
func checkPartialGradients(on engine: any TrainingEngine) throws {
  let example = try #require(GradientCase.all.first { $0.name == "two outputs" })
  let start = try example.parameters()
  let network = try engine.makeTrainable(
    example.graph, parameters: start, options: CompileOptions(precision: .fp32))
  let rule = GradientDescent(rate: 0.1)
  // Only the head: "up" has no part in it, and need not be computed.
  let input = example.random(example.shape.reduce(1, *), seed: 1)
  let outputs = try input.withUnsafeBufferPointer {
    try network.forward($0, shape: example.shape, wanted: [false, true], isTraining: true)
  }
  #expect(outputs[0] == nil && outputs[1]?.shape == [2, 2, 2, 2])
  try [Float](repeating: 1, count: 16).withUnsafeBufferPointer { try network.backward([nil, $0]) }
  try network.update(rule)
  let after = try network.parameters()
  for name in ["first.weight", "down.weight", "head.weight", "head.bias", "up.weight", "up.bias"] {
    #expect((after[name]?.floats() != start[name]?.floats()) == !name.hasPrefix("up"), "\(name)")
  }
  #expect(try Set(network.momenta().keys) == Set(after.keys.filter { !$0.hasPrefix("up") }))

  let momenta = try network.momenta()
  _ = try example.forward(network)
  try [Float](repeating: .nan, count: 16).withUnsafeBufferPointer { try network.backward([nil, $0]) }
  #expect(try !network.update(rule).isFinite)
  #expect(try network.parameters().mapValues { $0.floats() } == after.mapValues { $0.floats() })
  #expect(try network.momenta().mapValues { $0.floats() } == momenta.mapValues { $0.floats() })

  try network.restore(parameters: start, momenta: momenta)
  #expect(try network.parameters().mapValues { $0.floats() } == start.mapValues { $0.floats() })
  #expect(try network.momenta().mapValues { $0.floats() } == momenta.mapValues { $0.floats() })
  #expect(throws: Failure.self) { try network.restore(parameters: [:], momenta: [:]) }
}

/// Batch normalisation follows the batches by PyTorch's rule, and uses what it has gathered when not training.
func checkRunningStatistics(on engine: any TrainingEngine) throws {
  var builder = GraphBuilder(spatialRank: 2, inputChannels: 1)
  let output = builder.batchNorm(.input, name: "norm", epsilon: 1e-5)
  let graph = builder.graph(name: "batch norm", outputs: [output])
  var parameters: [String: Tensor] = [:]
  for (name, value) in [("weight", 2), ("bias", 1), ("running_mean", 3), ("running_var", 4)] {
    parameters["norm.\(name)"] = try Tensor(floats: [Float(value)], shape: [1])
  }
  let network = try engine.makeTrainable(graph, parameters: parameters, options: CompileOptions(precision: .fp32))
  func run(_ isTraining: Bool) throws -> [Float] {
    try [Float(1), 2, 3, 6].withUnsafeBufferPointer {
      Array(try network.forward($0, shape: [2, 1, 2, 1], wanted: [true], isTraining: isTraining)[0]!.values)
    }
  }
  // (x - 3) / 2 * 2 + 1
  #expect(largestDifference(try run(false), [-1, 0, 1, 4]) < 1e-4)
  // Mean 3, biased variance 3.5, unbiased 14/3.
  let factor = 2 / Float(3.5).squareRoot()
  #expect(largestDifference(try run(true), [1 - 2 * factor, 1 - factor, 1, 1 + 3 * factor]) < 1e-4)
  let after = try network.parameters()
  #expect(abs(after["norm.running_mean"]!.floats()[0] - 3) < 1e-6)
  #expect(abs(after["norm.running_var"]!.floats()[0] - (0.9 * 4 + 0.1 * 14 / 3)) < 1e-5)
}

/// A loss that was scaled by 8 gives the same step when gradients are multiplied by 1/8.
func checkGradientFactor(on engine: any TrainingEngine) throws {
  let graph = try scalarNetwork(2)
  func step(_ gradient: [Float], _ factor: Double) throws -> (Double, [Float]) {
    let network = try engine.makeTrainable(
      graph, parameters: ["w.weight": Tensor(floats: [1, -1], shape: [2, 1, 1, 1])],
      options: CompileOptions(precision: .fp32))
    try [Float(1)].withUnsafeBufferPointer {
      _ = try network.forward($0, shape: [1, 1, 1, 1], wanted: [true], isTraining: true)
    }
    try withBuffers([gradient]) { try network.backward($0) }
    let norm = try network.update(GradientDescent(rate: 0.1, gradientFactor: factor))
    return (norm, try network.parameters()["w.weight"]!.floats())
  }
  let (norm, plain) = try step([30, 40], 1)
  let (scaledNorm, scaled) = try step([240, 320], 1 / 8)
  #expect(abs(norm - 50) < 1e-4 && abs(scaledNorm - 50) < 1e-4)
  #expect(largestDifference(plain, scaled) < 1e-6)
}
