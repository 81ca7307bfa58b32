import Basics
import Checkpoints
import Engines
import Evaluation
import Foundation
import ImageFormats
import Imaging
import Networks
import TestSupport
import Testing

@testable import NNUNet

/// Models of nnU-Net v1. The golden one was made with nnunet 1.7.1's network (Resources/make_legacy_golden.py).
@Suite struct LegacyModelTests {
  private var folder: String { Bundle.module.bundlePath + "/Resources/legacy" }
  private var modelFolder: String { folder + "/3d_fullres/Task900_Made/nnUNetTrainerV2__nnUNetPlansv2.1" }

  @Test func aFolderIsUnderstood() throws {
    #expect(LegacyModel.isLegacy(folder: modelFolder))
    #expect(LegacyModel.availableFolds(folder: modelFolder, checkpoint: LegacyModel.checkpointName) == ["0"])
    let model = try TrainedModel.load(folder: modelFolder, folds: ["0"], checkpoint: LegacyModel.checkpointName)
    #expect(model.isLegacy)
    #expect(model.configuration.name == "3d_fullres")
    #expect(model.configuration.patchSize == [8, 12, 12])
    #expect(model.plans.transposeForward == [1, 0, 2])
    #expect(model.mirrorAxes == [0, 1, 2])
    #expect(model.dataset.labels.outputCount == 3)
    #expect(throws: Failure.self) {
      try TrainedModel.load(folder: modelFolder, folds: ["1"], checkpoint: LegacyModel.checkpointName)
    }
  }

  /// The whole way, from the file to labels. Blending is in half precision here and in single precision there, so voxels
  /// whose best two classes are nearly equal may differ.
  @Test func labelsAreThoseOfTheReference() throws {
    let model = try TrainedModel.load(folder: modelFolder, folds: ["0"], checkpoint: LegacyModel.checkpointName)
    let predictor = try Predictor(model: model, engine: ReferenceEngine(), options: PredictionOptions())
    for name in ["case_0", "case_1"] {
      let image = try model.plans.reader.read(["\(folder)/images/\(name)_0000.nii.gz"])
      let prepared = try CasePreparation(model: model).prepare(image, identifier: name)
      let labels = try predictor.predict(prepared, spoolFolder: nil) { _, _ in }.labels
      let expected = try ImageReader.simpleITK.readLabels("\(folder)/labels/\(name).nii.gz").labels
      #expect(try labels.fractionDifferent(from: expected) <= 0.002, "\(name)")
    }
  }

  /// Decoder kernels are shifted by one against v2, and transposed convolutions and heads have no bias.
  @Test func theNetworkIsReadFromItsWeights() throws {
    let checkpoint = try TorchCheckpoint.open(modelFolder + "/fold_0/model_final_checkpoint.model")
    #expect(LegacyWeights.isLegacy(checkpoint.networkWeights.tensors))
    let network = try LegacyWeights(checkpoint.networkWeights.tensors).configuration
    #expect(network.features == [4, 8, 16])
    #expect(network.strides == [[1, 1, 1], [1, 2, 2], [2, 2, 2]])
    #expect(network.kernels == [[1, 3, 3], [3, 3, 3], [3, 3, 3]])
    #expect(network.decoderKernels == [[3, 3, 3], [3, 3, 3]])
    #expect(network.blocksPerStage == [2, 2, 2])
    #expect(!network.transposedConvolutionBias && !network.headBias && network.convolutionBias)
    var strange = checkpoint.networkWeights.tensors
    strange["attention.weight"] = strange["tu.0.weight"]
    #expect(throws: Failure.self) { try LegacyWeights(strange) }
  }

  @Test func trainersSayWhatWeightsDoNot() throws {
    let plain = UNetConfiguration(
      spatialRank: 3, inputChannels: 1, outputChannels: 2, features: [2, 4], kernels: [[3, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [2, 2, 2]], blocksPerStage: [2, 2], blocksPerDecoderStep: [2])
    #expect(try LegacyTrainer(name: "nnUNetTrainerV2").adapted(plain).slope == 0.01)
    #expect(try LegacyTrainer(name: "nnUNetTrainerV2_ReLU").adapted(plain).slope == 0)
    #expect(try LegacyTrainer(name: "nnUNetTrainerV2_LReLU_slope_2en1").adapted(plain).slope == 0.2)
    #expect(try LegacyTrainer(name: "nnUNetTrainerV2_ReLU_convReLUIN").adapted(plain).activationFirst)
    for name in ["nnUNetTrainerV2_GeLU", "nnUNetTrainerV2_Mish", "nnUNetTrainerV2_ResencUNet"] {
      #expect(throws: Failure.self) { try LegacyTrainer(name: name).adapted(plain) }
    }
    #expect(!LegacyTrainer(name: "nnUNetTrainerV2_noMirroring").mirrors)
    #expect(LegacyTrainer(name: "nnUNetTrainerV2BraTSRegions_BN").hasBraTSRegions)
  }

  /// The largest stays whatever its size; of the others those that reach the volume.
  @Test func postprocessingKeepsLargeComponents() throws {
    let text = #"{"for_which_classes": [1, [2, 3]], "min_valid_object_sizes": "{1: 5.0, (2, 3): 100}"}"#
    let steps = try LegacyPostprocessing(json: JSON(parsing: Array(text.utf8)))
    #expect(
      steps.steps == [.init(labels: [1], minimumVolume: 5), .init(labels: [2, 3], minimumVolume: 100)])
    let row: [UInt8] = [1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 2, 3, 2, 0, 3, 0]
    let labels = LabelMap.uint8(Volume(shape: Shape3D(1, 1, 16), elements: row))
    guard case .uint8(let result) = steps.apply(to: labels, spacing: Vector3D(1, 1, 2.5)) else { return }
    #expect(result.elements == [1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 2, 3, 2, 0, 0, 0])
    let none = try LegacyPostprocessing(
      json: JSON(parsing: Array(#"{"for_which_classes": [1], "min_valid_object_sizes": "None"}"#.utf8)))
    guard case .uint8(let strict) = none.apply(to: labels, spacing: Vector3D(1, 1, 1)) else { return }
    #expect(strict.elements == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 3, 2, 0, 3, 0])
  }
}
