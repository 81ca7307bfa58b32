import Basics
import Checkpoints
import Engines
import Evaluation
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import NNUNet

/// Trained models on real scans, compared with what the original tool wrote for them.
@Suite(
  .serialized, .enabled(if: ReferenceData.isPresent, ReferenceData.absence),
  .enabled(if: InstalledOpenVINO.engine != nil, InstalledOpenVINO.absence))
struct ReferenceParityTests {
  private static let hippocampus = "models/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__"
  private static let cascade = "models/Dataset006_HippoCascade/nnUNetTrainer__nnUNetPlans__"

  static let runs: [ReferenceRun] = [
    ReferenceRun("h3d_f0", model: hippocampus + "3d_fullres", cases: 3),
    ReferenceRun("h3d_f0_notta", model: hippocampus + "3d_fullres", cases: 3) { $0.mirroring = false },
    ReferenceRun("h3d_f01_prob", model: hippocampus + "3d_fullres", folds: ["0", "1"]),
    ReferenceRun("h2d_f0", model: hippocampus + "2d"),
    ReferenceRun(
      "aniso_f0", model: "models/Dataset005_HippoAniso/nnUNetTrainer__nnUNetResEncUNetMPlans__3d_fullres",
      images: "Dataset005_HippoAniso/imagesTs"),
    ReferenceRun("lowres_f0", model: cascade + "3d_lowres", cases: 3),
    ReferenceRun("cascade_f0", model: cascade + "3d_cascade_fullres") {
      $0.previousStageFolder = ReferenceData.data("reference/lowres_f0")
    },
    ReferenceRun("regions_f0", model: "models/Dataset007_HippoRegions/nnUNetTrainer__nnUNetPlans__3d_fullres"),
    ReferenceRun(
      "phantom", model: "phantom/model/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres", images: "phantom/images",
      answers: "phantom/reference", cases: 1),
  ]

  /// At most 0.01 % of the voxels: logits are rounded to half precision, so a convolution that sums in another order,
  /// no less exact than PyTorch's, now and then turns round a near-tie between two classes.
  private static let tolerance = 1e-4

  @Test(arguments: runs) func labelsAreTheReferences(run: ReferenceRun) throws {
    let output = try TemporaryFolder()
    for identifier in try run.predict(on: InstalledOpenVINO.require(), into: output.path) {
      try expectSameLabels(output(identifier + ".nii.gz"), run.answer(identifier + ".nii.gz"))
    }
  }

  /// Without the first stage's folder, the first stage is run from the model beside the second.
  @Test func cascadesRunTheirFirstStageThemselves() throws {
    let run = ReferenceRun("cascade_f0", model: Self.cascade + "3d_cascade_fullres")
    let output = try TemporaryFolder()
    for identifier in try run.predict(on: InstalledOpenVINO.require(), into: output.path) {
      let name = identifier + ".nii.gz"
      try expectSameLabels(output(name), run.answer(name))
      try expectSameLabels(
        Path.join(output("3d_lowres_predictions"), name), ReferenceData.data("reference/lowres_f0/\(name)"))
    }
  }

  /// Half precision logits of magnitude 16 have steps of 0.016, so one step more or less moves a probability by up to
  /// a quarter of that. Such steps are rare: the mean tells that there is no systematic difference.
  @Test func probabilitiesAreTheReferences() throws {
    let run = ReferenceRun("h3d_f01_prob", model: Self.hippocampus + "3d_fullres", folds: ["0", "1"]) {
      $0.saveProbabilities = true
    }
    let output = try TemporaryFolder()
    for identifier in try run.predict(on: InstalledOpenVINO.require(), into: output.path) {
      let ours = try NPZFile(path: output(identifier + ".npz")).tensor(named: "probabilities")
      let theirs = try NPZFile(path: run.answer(identifier + ".npz")).tensor(named: "probabilities")
      #expect(ours.shape == theirs.shape)
      let differences = zip(ours.floats(), theirs.floats()).map { abs($0 - $1) }
      #expect(differences.max() ?? .infinity < 4e-3)
      #expect(differences.reduce(0) { $0 + Double($1) } / Double(differences.count) < 2e-5)
      let properties = try PickleFile.json(output(identifier + ".pkl"))
      #expect(
        properties.text(sortedKeys: true)
          == (try PickleFile.json(run.answer(identifier + ".pkl"))).text(sortedKeys: true))
    }
  }

  /// bfloat16 has 8 bits of precision; the promise is a Dice of 0.999 against single precision.
  @Test func bfloat16KeepsTheSegmentation() throws {
    let run = ReferenceRun("h3d_f0", model: Self.hippocampus + "3d_fullres", cases: 1) {
      $0.compile.precision = .bf16
    }
    let output = try TemporaryFolder()
    for identifier in try run.predict(on: InstalledOpenVINO.require(), into: output.path) {
      let name = identifier + ".nii.gz"
      let reader = ImageReader.simpleITK
      let confusion = try LabelConfusion(
        prediction: reader.readLabels(output(name)).labels, reference: reader.readLabels(run.answer(name)).labels)
      for label in [1, 2] { #expect(confusion.overlap(of: label).dice >= 0.999) }
    }
  }

  private func expectSameLabels(_ prediction: String, _ reference: String) throws {
    let ours = try ImageReader.simpleITK.readLabels(prediction)
    let theirs = try ImageReader.simpleITK.readLabels(reference)
    #expect(ours.geometry == theirs.geometry)
    #expect(ours.spacing == theirs.spacing)
    #expect(try ours.labels.fractionDifferent(from: theirs.labels) <= Self.tolerance, "\(prediction)")
  }
}
