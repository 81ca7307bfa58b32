import Basics
import Foundation
import TestSupport
import Testing

@testable import Networks

/// The networks of Resources/networks.json, made by make_networks.py with the original package.
func goldenNetworks() throws -> [JSON] {
  let url = try #require(Bundle.module.url(forResource: "Resources/networks", withExtension: "json"))
  return try #require(JSON.read(url.path).array)
}

@Suite struct UNetConfigurationTests {
  /// The numbers of parameters of FastnnUNet's students: three classes, six stages, all heads.
  @Test(arguments: [(1, 31_196_399, 102_350_575), (4, 1_952_711, 6_405_319), (16, 137_855, 421_371)])
  func studentsHaveTheOriginalsSize(reduction: Int, plain: Int, residual: Int) throws {
    for (family, blocks, decoder, expected) in [
      (UNetConfiguration.Family.plain, [Int](repeating: 2, count: 6), 2, plain),
      (.residualEncoder, [1, 3, 4, 6, 6, 6], 1, residual),
    ] {
      let whole = UNetConfiguration(
        family: family, spatialRank: 3, inputChannels: 1, outputChannels: 3, features: [32, 64, 128, 256, 320, 320],
        kernels: [[Int]](repeating: [3, 3, 3], count: 6),
        strides: [[1, 1, 1]] + [[Int]](repeating: [2, 2, 2], count: 5), blocksPerStage: blocks,
        blocksPerDecoderStep: [Int](repeating: decoder, count: 5))
      let graph = try whole.narrowed(by: reduction, blocks: .keep).makeGraph(deepSupervision: true)
      #expect(graph.parameters.reduce(0) { $0 + $1.count } == expected)
    }
    var residual = UNetConfiguration(
      family: .residualEncoder, spatialRank: 2, inputChannels: 1, outputChannels: 2, features: [32, 320],
      kernels: [[3, 3], [3, 3]], strides: [[1, 1], [2, 2]], blocksPerStage: [1, 8], blocksPerDecoderStep: [1])
    residual = residual.narrowed(by: 8, blocks: .adaptive)
    #expect(residual.features == [8, 40] && residual.blocksPerStage == [2, 8])
  }

  /// Names, shapes and order of every parameter are those of the reference's `state_dict`.
  @Test func parametersAreThoseOfTheReference() throws {
    for golden in try goldenNetworks() {
      let names = try #require(golden["parameters"]?.array)
      let usesBatchNorm = names.contains { $0.array?[0].string?.hasSuffix("running_mean") == true }
      var configuration = try UNetConfiguration(
        architecture: #require(golden["architecture"]), inputChannels: #require(golden["input_shape"]?.ints?[1]),
        outputChannels: #require(golden["classes"]?.int))
      if usesBatchNorm { configuration.normalization = .batch(epsilon: 1e-5, affine: true) }
      let graph = try configuration.makeGraph(deepSupervision: true)
      let expected = names.map { Line(name: $0.array?[0].string ?? "", shape: $0.array?[1].ints ?? []) }
      #expect(graph.parameters.map { Line(name: $0.name, shape: $0.shape) } == expected, "\(golden["name"] ?? .null)")
      // Without deep supervision everything but the heads stays, in the same order.
      let plain = try configuration.makeGraph()
      #expect(
        plain.parameters.map(\.name)
          == expected.map(\.name).filter { name in !plain.unusedParameterPrefixes.contains(where: name.hasPrefix) })
      #expect(
        try plain.outputShape(forInput: #require(golden["input_shape"]?.ints)) == golden["output_shape"]?.ints)
    }
  }

  /// Dropout is part of what is trained, where the reference has it, and of nothing else.
  @Test func dropoutIsTrained() throws {
    func places(_ network: String, _ more: String) throws -> (names: [String], configuration: UNetConfiguration) {
      let text = """
        {"network_class_name": "architectures.unet.\(network)", "arch_kwargs": {"n_stages": 2,
         "features_per_stage": [4, 8], "conv_op": "torch.nn.modules.conv.Conv2d", "kernel_sizes": [3, 3],
         "strides": [1, 2], "n_conv_per_stage_decoder": 1, "conv_bias": true,
         "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d", "nonlin": "torch.nn.LeakyReLU",
         "dropout_op": "torch.nn.modules.dropout.Dropout2d", "dropout_op_kwargs": {"p": 0.25}, \(more)}}
        """
      let configuration = try UNetConfiguration(
        architecture: JSON(parsing: Array(text.utf8)), inputChannels: 1, outputChannels: 2)
      let graph = try configuration.makeTrainingGraph()
      let names = graph.nodes.compactMap { node -> String? in
        guard case .dropout(let probability) = node.operation else { return nil }
        #expect(probability == 0.25)
        return node.name
      }
      let other = try configuration.makeGraph(deepSupervision: true)
      #expect(other.parameters.map(\.name) == graph.parameters.map(\.name))
      #expect(!other.nodes.contains { if case .dropout = $0.operation { true } else { false } })
      return (names, configuration)
    }
    let plain = try places("PlainConvUNet", #""n_conv_per_stage": 1"#)
    #expect(
      plain.names == [
        "encoder.stages.0.0.convs.0.dropout", "encoder.stages.1.0.convs.0.dropout",
        "decoder.stages.0.convs.0.dropout",
      ])
    let residual = try places("ResidualEncoderUNet", #""n_blocks_per_stage": 1"#)
    #expect(
      residual.names == [
        "encoder.stem.convs.0.dropout", "encoder.stages.0.blocks.0.conv1.dropout",
        "encoder.stages.1.blocks.0.conv1.dropout", "decoder.stages.0.convs.0.dropout",
      ])
    var single = plain.configuration
    single.dropout = .init(probability: 0.5, dropsChannels: false, name: "Dropout")
    #expect(throws: Failure.self) { try single.makeTrainingGraph() }
    _ = try single.makeGraph()
  }

  private struct Line: Equatable {
    var name: String
    var shape: [Int]
  }

  @Test func deepSupervisionAddsOutputsFinestFirst() throws {
    let graph = try standard().makeGraph(deepSupervision: true)
    let shapes = try graph.shapes(forInput: [2, 1, 8, 16, 16])
    #expect(
      graph.outputs.map { shapes[$0.index] } == [[2, 3, 8, 16, 16], [2, 3, 8, 8, 8]])
  }

  @Test func legacyPlansMeanTheSameNetwork() throws {
    let legacy: JSON = try JSON(
      parsing: Array(
        """
        {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 10,
         "n_conv_per_stage_encoder": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "num_pool_per_axis": [1, 2, 2],
         "pool_op_kernel_sizes": [[1, 1, 1], [1, 2, 2], [2, 2, 2]], "patch_size": [8, 16, 16],
         "conv_kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]]}
        """.utf8))
    let configuration = try UNetConfiguration(legacy: legacy, inputChannels: 1, outputChannels: 3)
    #expect(configuration == standard())
    var residual = try #require(legacy.object)
    residual["UNet_class_name"] = .string("ResidualEncoderUNet")
    let other = try UNetConfiguration(legacy: .object(residual), inputChannels: 1, outputChannels: 3)
    #expect(other.family == .residualEncoder)
    residual["UNet_class_name"] = .string("SwinUNETR")
    #expect(throws: Failure.self) {
      try UNetConfiguration(legacy: .object(residual), inputChannels: 1, outputChannels: 3)
    }
  }

  /// 3 stages, 4..10 features, anisotropic.
  private func standard() -> UNetConfiguration {
    UNetConfiguration(
      spatialRank: 3, inputChannels: 1, outputChannels: 3, features: [4, 8, 10],
      kernels: [[1, 3, 3], [3, 3, 3], [3, 3, 3]], strides: [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
      blocksPerStage: [2, 2, 2], blocksPerDecoderStep: [2, 2])
  }

  // MARK: Refusals

  private func refusal(_ change: (inout JSONObject, inout JSONObject) -> Void) throws -> Failure? {
    var architecture = try #require(goldenNetworks().first?["architecture"]?.object)
    var arguments = try #require(architecture["arch_kwargs"]?.object)
    change(&architecture, &arguments)
    architecture["arch_kwargs"] = .object(arguments)
    do {
      _ = try UNetConfiguration(architecture: .object(architecture), inputChannels: 1, outputChannels: 2)
      return nil
    } catch let failure as Failure {
      return failure
    }
  }

  @Test func namesNetworksItDoesNotKnow() throws {
    let failure = try refusal { architecture, _ in
      architecture["network_class_name"] = .string("dynamic_network_architectures.architectures.primus.PrimusM")
    }
    #expect(failure?.message.contains("PrimusM") == true)
    #expect(failure?.hint?.contains("PlainConvUNet, ResidualEncoderUNet, ResidualUNet") == true)
  }

  @Test func refusesArgumentsThatWouldChangeTheNetwork() throws {
    #expect(try refusal { $1["squeeze_excitation"] = .bool(true) }?.message.contains("squeeze_excitation") == true)
    #expect(try refusal { $1["squeeze_excitation"] = .bool(false) } == nil)
    #expect(try refusal { $1["pool_type"] = .null } == nil)
    #expect(try refusal { $1["nonlin"] = .string("torch.nn.GELU") }?.message.contains("GELU") == true)
    #expect(try refusal { $1["norm_op"] = .string("torch.nn.GroupNorm") }?.message.contains("GroupNorm") == true)
    #expect(try refusal { $1["conv_op"] = .string("torch.nn.Conv1d") }?.message.contains("Conv1d") == true)
    #expect(
      try refusal { $1["norm_op"] = .string("torch.nn.InstanceNorm2d") }?.message.contains("InstanceNorm2d") == true)
  }

  @Test func refusesDamagedPlans() throws {
    #expect(try refusal { $1["n_stages"] = nil }?.message.contains("n_stages") == true)
    #expect(try refusal { $1["n_stages"] = .int(1_000_000) } != nil)
    #expect(try refusal { $1["n_stages"] = .int(4) }?.message.contains("features_per_stage") == true)
    #expect(
      try refusal { $1["features_per_stage"] = .array([.int(2), .int(3), .int(-4)]) }?.message.contains("features")
        == true)
    #expect(
      try refusal { $1["features_per_stage"] = .array([.int(2), .int(3), .int(.max)]) }?.message.contains("features")
        == true)
    #expect(
      try refusal {
        $1["strides"] = .array([
          .array([.int(1), .int(1), .int(1)]), .array([.int(1), .int(2)]), .array([.int(2), .int(2), .int(2)]),
        ])
      }?.message.contains("strides") == true)
    #expect(try refusal { $1["kernel_sizes"] = .string("big") }?.message.contains("kernel_sizes") == true)
    #expect(
      try refusal { $1["n_conv_per_stage_decoder"] = .array([.int(1), .int(0)]) }?.message.contains("decoder") == true)
    #expect(try refusal { architecture, _ in architecture["network_class_name"] = nil } != nil)
  }
}
