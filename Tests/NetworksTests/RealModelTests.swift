import Basics
import Checkpoints
import TestSupport
import Testing

@testable import Networks

/// The trained networks of the reference data: plans and checkpoints as the original tool has written them.
@Suite(.enabled(if: ReferenceData.isPresent, ReferenceData.absence)) struct RealModelTests {
  struct Model: Sendable, CustomTestStringConvertible {
    var folder: String
    var configuration: String
    var inputChannels: Int
    var outputChannels: Int
    var testDescription: String { folder }

    /// What plans and weights of fold 0 make together, and the patch size.
    func load() throws -> (network: Network, patch: [Int]) {
      let plans = try JSON.read(Path.join(folder, "plans.json"))
      let settings = try resolve(try #require(plans["configurations"]), configuration)
      let checkpoint = try StateDictionary.open(Path.join(folder, "fold_0/checkpoint_final.pth"))
      let facts = try WeightFacts(weights: checkpoint.tensors)
      #expect((facts.inputChannels, facts.outputChannels) == (inputChannels, outputChannels))
      let unet = try UNetConfiguration(
        architecture: #require(settings["architecture"]), inputChannels: inputChannels, outputChannels: outputChannels)
      #expect(unet == unet.adapted(to: facts))
      #expect(facts.decoderFactors == unet.strides.dropFirst().reversed())
      let network = try Network(graph: unet.makeGraph(), weights: checkpoint.tensors)
      #expect(try facts.parameterCount == unet.makeGraph(deepSupervision: true).parameterCount)
      return (network, try #require(settings["patch_size"]?.ints))
    }

    /// A configuration with everything its parents say.
    private func resolve(_ all: JSON, _ name: String) throws -> JSON {
      let own = try #require(all[name]?.object)
      guard let parent = own["inherits_from"]?.string else { return .object(own) }
      var merged = try #require(try resolve(all, parent).object)
      for (key, value) in own.members { merged[key] = value }
      return .object(merged)
    }
  }

  static let models: [Model] = [
    ("models/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__", "3d_fullres", 1, 3),
    ("models/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__", "2d", 1, 3),
    ("models/Dataset005_HippoAniso/nnUNetTrainer__nnUNetResEncUNetMPlans__", "3d_fullres", 1, 3),
    ("models/Dataset006_HippoCascade/nnUNetTrainer__nnUNetPlans__", "3d_lowres", 1, 3),
    ("models/Dataset006_HippoCascade/nnUNetTrainer__nnUNetPlans__", "3d_cascade_fullres", 3, 3),
    ("models/Dataset007_HippoRegions/nnUNetTrainer__nnUNetPlans__", "3d_fullres", 1, 2),
    ("models/Dataset901_Toy/nnUNetTrainer__nnUNetPlans__", "3d_fullres", 2, 3),
    (
      "totalseg/weights/Dataset298_TotalSegmentator_total_6mm_1559subj/"
        + "nnUNetTrainer_4000epochs_NoMirroring__nnUNetPlans__", "3d_fullres", 1, 118
    ),
  ].map {
    Model(
      folder: ReferenceData.data($0.0 + $0.1), configuration: $0.1, inputChannels: $0.2, outputChannels: $0.3)
  }

  @Test(arguments: models) func plansAndWeightsFit(model: Model) throws {
    let (network, patch) = try model.load()
    let input = [1, model.inputChannels] + patch
    #expect(try network.graph.outputShape(forInput: input) == [1, model.outputChannels] + patch)
    // The network takes every parameter the file has but the deep-supervision heads.
    #expect(network.graph.parameters.map(\.name).allSatisfy { network.weights[$0] != nil })
    #expect(network.weights.count == network.graph.parameters.count)
  }

  /// OpenVINO gets the mapped checkpoint itself, not a copy of it.
  @Test(arguments: models) func weightsStayInTheCheckpoint(model: Model) throws {
    let (network, patch) = try model.load()
    let openVINO = try OpenVINOModel(network, inputShape: [1, model.inputChannels] + patch)
    #expect(!openVINO.weights.isCopied)
  }

  @Test func weightsOfAnotherFamilyAreRefused() throws {
    let plain = try Self.models[0].load().network
    let residual = try Self.models[2].load().network
    #expect(throws: Failure.self) { try Network(graph: plain.graph, weights: residual.weights) }
    #expect(throws: Failure.self) { try Network(graph: residual.graph, weights: plain.weights) }
  }
}
