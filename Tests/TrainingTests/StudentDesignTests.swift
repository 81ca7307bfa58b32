import Basics
import NNUNet
import Networks
import TestSupport
import Testing

@testable import Training

@Suite struct StudentDesignTests {
  private func network(_ family: UNetConfiguration.Family, _ features: [Int], blocks: [Int]) -> UNetConfiguration {
    let (ones, twos) = ([1, 1, 1], [2, 2, 2])
    return UNetConfiguration(
      family: family, spatialRank: 3, inputChannels: 1, outputChannels: 3, features: features,
      kernels: features.map { _ in [3, 3, 3] }, strides: [ones] + features.dropFirst().map { _ in twos },
      blocksPerStage: blocks,
      blocksPerDecoderStep: [Int](repeating: family == .plain ? 2 : 1, count: features.count - 1))
  }

  /// FastnnUNet's own figures: 6 stages, 3x3x3 kernels, 1 channel, 3 classes.
  @Test(arguments: [
    (1, [32, 64, 128, 256, 320, 320], 31_196_399, 102_350_575),
    (2, [16, 32, 64, 128, 160, 160], 7_803_007, 25_598_847),
    (3, [10, 21, 42, 85, 106, 106], 3_423_025, 11_239_965), (4, [8, 16, 32, 64, 80, 80], 1_952_711, 6_405_319),
    (6, [8, 10, 21, 42, 53, 53], 855_005, 2_800_519), (8, [8, 8, 16, 32, 40, 40], 495_639, 1_610_567),
    (16, [8, 8, 8, 16, 20, 20], 137_855, 421_371),
  ])
  func widthsAndParameters(reduction: Int, widths: [Int], plain: Int, residual: Int) throws {
    let features = [32, 64, 128, 256, 320, 320]
    let design = StudentDesign(reduction: reduction)
    let small = try design.student(of: network(.plain, features, blocks: [2, 2, 2, 2, 2, 2]))
    #expect(small.features == widths)
    #expect(try small.makeGraph(deepSupervision: true).parameterCount == plain)
    let large = try design.student(of: network(.residualEncoder, features, blocks: [1, 3, 4, 6, 6, 6]))
    #expect(try large.makeGraph(deepSupervision: true).parameterCount == residual)
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence)) func everyStrategy() throws {
    let file = try JSON.read(ReferenceData.vectors("distillation/student_widths.json"))
    let features = try #require(file["teacher_features"]?.ints)
    let blocks = try #require(file["teacher_blocks_resenc"]?.ints)
    for row in try #require(file["table"]?.array) {
      for strategy in BlockStrategy.allCases {
        let design = StudentDesign(reduction: row["r"]?.int ?? 0, strategy: strategy)
        let student = try design.student(of: network(.residualEncoder, features, blocks: blocks))
        #expect(student.features == row["features"]?.ints)
        #expect(student.blocksPerStage == row["blocks"]?[strategy.rawValue]?.ints, "\(strategy) \(design.reduction)")
      }
    }
  }

  @Test func choicesByStage() throws {
    let teacher = network(.plain, [32, 64, 128], blocks: [2, 2, 2])
    var design = StudentDesign(reduction: 4)
    design.widths = [12, 20, 24]
    design.blocks = [1, 1, 2]
    let student = try design.student(of: teacher)
    #expect(student.features == [12, 20, 24] && student.blocksPerStage == [1, 1, 2])
    design.widths = [12, 20]
    #expect(throws: Failure.self) { try design.student(of: teacher) }
    #expect(throws: Failure.self) { try StudentDesign(reduction: 0).student(of: teacher) }
    #expect(throws: Failure.self) { try StudentDesign(reduction: 2, strategy: .adaptive).student(of: teacher) }
  }

  @Test func isFoundByItsChannels() {
    let teacher = network(.plain, [32, 64, 128], blocks: [2, 2, 2])
    let found = StudentDesign(reduction: 2).having(features: [10, 21, 42], of: teacher)
    #expect(found.reduction == 3 && found.widths == nil)
    let chosen = StudentDesign(reduction: 2).having(features: [12, 20, 24], of: teacher)
    #expect(chosen.widths == [12, 20, 24])
  }

  private func plans(_ text: String) throws -> Plans { try Plans(json: JSON(parsing: Array(text.utf8))) }

  @Test(arguments: [false, true]) func plansDescribeTheStudent(planar: Bool) throws {
    let more = #", "second": {"inherits_from": "tiny", "previous_stage": "tiny"}"#
    let original = try plans(TinyTask.plans(planar: planar, stages: 4, more: more))
    // 4, 8, 16, 32: what is narrow stays as it is.
    let student = try StudentDesign(reduction: 2).apply(to: original, configuration: "second")
    func features(_ plans: Plans, _ name: String) throws -> [Int]? {
      try plans.configuration(name).json["architecture"]?["arch_kwargs"]?["features_per_stage"]?.ints
    }
    #expect(try features(student, "second") == [4, 8, 8, 16])
    #expect(try features(student, "tiny") == [4, 8, 16, 32])
    #expect(try StudentDesign(reduction: 1).apply(to: original, configuration: "second").json == original.json)
  }

  /// Plans of old versions have no architecture; the student's have.
  @Test func oldPlans() throws {
    let text = """
      {"dataset_name": "Dataset001_Old", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
       "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "configurations": {"3d_fullres": {
        "batch_size": 2, "patch_size": [16, 16, 16], "spacing": [1, 1, 1],
        "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false],
        "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 32, "unet_max_num_features": 320,
        "n_conv_per_stage_encoder": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2],
        "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "conv_kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3]]}}}
      """
    let student = try StudentDesign(reduction: 4).apply(to: plans(text), configuration: "3d_fullres")
    let architecture = try #require(try student.configuration("3d_fullres").json["architecture"])
    let network = try UNetConfiguration(architecture: architecture, inputChannels: 1, outputChannels: 3)
    let expected = try StudentDesign(reduction: 4).student(
      of: UNetConfiguration(
        legacy: plans(text).configuration("3d_fullres").json, inputChannels: 1, outputChannels: 3))
    #expect(network == expected && network.features == [8, 16, 32])
  }
}
