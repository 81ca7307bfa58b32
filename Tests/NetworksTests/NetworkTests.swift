import Basics
import Checkpoints
import Testing

@testable import Networks

/// Zeros for every parameter.
func zeroWeights(_ graph: Graph) throws -> [String: Tensor] {
  var weights: [String: Tensor] = [:]
  for parameter in graph.parameters {
    weights[parameter.name] = try Tensor(
      floats: [Float](repeating: 0, count: parameter.count), shape: parameter.shape)
  }
  return weights
}

@Suite struct NetworkTests {
  let configuration = UNetConfiguration(
    spatialRank: 3, inputChannels: 2, outputChannels: 3, features: [4, 8, 8],
    kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]], strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    blocksPerStage: [1, 1, 1], blocksPerDecoderStep: [1, 1])

  private func refusal(_ change: (inout [String: Tensor]) throws -> Void) throws -> Failure? {
    var weights = try zeroWeights(configuration.makeGraph(deepSupervision: true))
    try change(&weights)
    do {
      _ = try Network(graph: configuration.makeGraph(), weights: weights)
      return nil
    } catch let failure as Failure {
      return failure
    }
  }

  @Test func takesCheckpointsAsTheReferenceWritesThem() throws {
    #expect(
      try refusal { weights in
        for (name, tensor) in weights {
          weights[name] = nil
          weights["module._orig_mod." + name] = tensor
          if name.hasPrefix("encoder.") { weights["decoder.\(name)"] = tensor }
          if name.contains(".conv.") {
            weights[name.replacing(".conv.", with: ".all_modules.0.")] = tensor
          }
        }
      } == nil)
  }

  @Test func namesTheFirstShapeThatDiffers() throws {
    let failure = try refusal { weights in
      for name in ["decoder.stages.1.convs.0.conv.weight", "decoder.transpconvs.0.weight"] {
        weights[name] = try Tensor(floats: [0, 0, 0, 0, 0, 0], shape: [3, 2])
      }
    }
    #expect(
      failure?.message
        == "decoder.stages.1.convs.0.conv.weight is (3, 2) in the checkpoint; the plans ask for (4, 8, 1, 3, 3)")
  }

  @Test func namesWhatIsMissing() throws {
    let failure = try refusal { $0["decoder.seg_layers.1.bias"] = nil }
    #expect(failure?.message.contains("lacks decoder.seg_layers.1.bias (3)") == true)
    #expect(try refusal { $0["decoder.seg_layers.0.bias"] = nil } == nil)
  }

  @Test func namesWhatIsTooMuch() throws {
    let one = try Tensor(floats: [0], shape: [1])
    let failure = try refusal {
      $0["encoder.stages.0.0.convs.1.conv.weight"] = one
      $0["encoder.stages.0.0.convs.1.conv.bias"] = one
    }
    #expect(failure?.message.contains("encoder.stages.0.0.convs.1.conv.bias and 1 more") == true)
  }

  @Test func recognisesAnotherNetworkAltogether() throws {
    let one = try Tensor(floats: [0], shape: [1])
    let failure = try refusal { $0 = ["vit.blocks.0.weight": one] }
    #expect(failure?.message.contains("no parameter of a PlainConvUNet, but for example vit.blocks.0") == true)
    #expect(throws: Failure.self) { try WeightFacts(weights: ["vit.blocks.0.weight": one]) }
  }

  @Test func knowsTheNetworkFromItsWeights() throws {
    var facts = try WeightFacts(weights: zeroWeights(configuration.makeGraph(deepSupervision: true)))
    #expect((facts.inputChannels, facts.outputChannels, facts.spatialRank) == (2, 3, 3))
    #expect(!facts.usesBatchNorm)
    #expect(facts.decoderFactors == [[2, 2, 2], [1, 2, 2]])
    #expect(try facts.parameterCount == configuration.makeGraph(deepSupervision: true).parameterCount)

    var batch = configuration
    batch.family = .residualEncoder
    batch.normalization = .batch(epsilon: 1e-5, affine: true)
    batch.inputChannels = 5
    batch.outputChannels = 7
    var weights = try zeroWeights(batch.makeGraph())
    weights["encoder.stem.convs.0.norm.num_batches_tracked"] = try Tensor(floats: [9], shape: [])
    facts = try WeightFacts(weights: weights)
    #expect(facts.usesBatchNorm)
    #expect(try facts.parameterCount == batch.makeGraph().parameterCount)
    // What the plans say, corrected by what the weights know.
    var plans = batch
    plans.normalization = .instance(epsilon: 1e-5, affine: true)
    plans.inputChannels = 1
    plans.outputChannels = 1
    #expect(plans.adapted(to: facts) == batch)
    _ = try Network(graph: plans.adapted(to: facts).makeGraph(), weights: weights)
  }
}
