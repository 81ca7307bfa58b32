import Basics
import Imaging
import TestSupport
import Testing

@Suite struct CascadeTests {
  private func cascade(_ images: [String: [UInt8]]) throws -> Workplace {
    let place = try Workplace(images)
    try Workplace.copy(Workplace.resource("cascade"), to: place.folder("models"))
    place.model = place.folder("models/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres")
    return place
  }

  @Test func theFirstStageIsRunWhenItsLabelsAreNotGiven() throws {
    let place = try cascade(["a_0000.nii.gz": TestImage.good])
    let run = try place.predict()
    #expect(run.status == 0, "\(run.errors)")
    #expect(place.results == ["3d_lowres_predictions", "a.nii.gz"])
    // Each stage is counted by itself.
    #expect(run.output.split(separator: "\n").count { $0.hasPrefix("[1/1] a: ") } == 2, "\(run.output)")
    let first = Path.join(place.output, "3d_lowres_predictions")
    // Given the same labels of the first stage, the second gives the same result.
    let second = try Program.run(
      ["predict", "-i", place.input, "-o", place.folder("second"), "-m", place.model, "-prev_stage_predictions", first]
        + Workplace.quick)
    #expect(second.status == 0, "\(second.errors)")
    #expect(try Path.read(place.folder("second/a.nii.gz")) == Path.read(place.output + "/a.nii.gz"))
  }

  @Test func aCaseThatFailsInTheFirstStageIsReportedOnce() throws {
    let place = try cascade(["a_0000.nii.gz": TestImage.good, "b_0000.nii.gz": [], "c.nii.gz": TestImage.good])
    // What an earlier run left must not stand in for what failed now.
    try Path.makeFolder(place.output + "/3d_lowres_predictions")
    try AtomicFile.write(TestImage.good, to: place.output + "/3d_lowres_predictions/b.nii.gz")
    let run = try place.predict()
    #expect(run.status == 65)
    #expect(run.complaints("b_0000.nii.gz", "is empty") == 1, "\(run.errors)")
    #expect(run.complaints("c.nii.gz", "channel suffix") == 1, "\(run.errors)")
    #expect(run.complaints("2 of 3 cases failed") == 1, "\(run.errors)")
    #expect(place.results == ["3d_lowres_predictions", "a.nii.gz"])
  }

  @Test func labelsOfTheFirstStageMustFit() throws {
    let place = try cascade(["a_0000.nii.gz": TestImage.good, "b_0000.nii.gz": TestImage.good])
    let first = place.folder("first")
    try Path.makeFolder(first)
    try AtomicFile.write(TestImage(shape: Shape3D(4, 5, 6)).gzipped, to: first + "/a.nii.gz")
    let run = try place.predict(Workplace.quick + ["-prev_stage_predictions", first])
    #expect(run.complaints("\(first)/a.nii.gz", "previous stage") == 1, "\(run.errors)")
    #expect(run.complaints("\(first)/b.nii.gz") == 1, "\(run.errors)")
    #expect(run.status == 65)
    #expect(place.results == [])
    let missing = try place.predict(Workplace.quick + ["-prev_stage_predictions", place.folder("nothing")])
    #expect(missing.status == 66)
    #expect(missing.complaints(place.folder("nothing"), "does not exist") == 1)
  }

  @Test func labelsOfTheFirstStageAreNotReplaced() throws {
    let place = try cascade(["a_0000.nii.gz": TestImage.good])
    try Path.makeFolder(place.output)
    try AtomicFile.write([1], to: place.output + "/a.nii.gz")
    let run = try place.predict(Workplace.quick + ["-prev_stage_predictions", place.output + "/"])
    #expect(run.status == 64 && run.complaints(place.output, "previous stage", "-o") == 1, "\(run.errors)")
    #expect(try Path.read(place.output + "/a.nii.gz") == [1])
  }

  @Test func aMissingFirstStageIsNamed() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    place.model = Workplace.resource("cascade/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres")
    try place.copyModel()
    let run = try place.predict()
    #expect(run.status == 66)
    #expect(run.complaints("second stage of a cascade", "3d_lowres", "-prev_stage_predictions") == 1, "\(run.errors)")
  }

  /// Of a file nobody knows where the first stage would lie.
  @Test func aMissingFirstStageOfAFileIsNotLookedForBesideIt() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    let model = Workplace.resource("cascade/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres")
    place.model = place.folder("cascade.onnx")
    #expect(try Program.run(["export", "-m", model, "-o", place.model, "--no-check"]).status == 0)
    let run = try place.predict(["--engine", "reference"])
    #expect(run.status == 66 && run.complaints("cascade.onnx", "-prev_stage_predictions") == 1, "\(run.errors)")
    #expect(!run.errors.contains("put the trained model"))
  }

  /// With the first stage's labels, real images serve for the check.
  @Test(.enabled(if: !InstalledOnnxRuntime.fileEngines.isEmpty, InstalledOnnxRuntime.absence))
  func secondStagesAreExportedWithImages() throws {
    let place = try cascade(["a_0000.nii.gz": TestImage.good])
    let first = place.folder("first")
    try Path.makeFolder(first)
    let labels = TestImage(voxel: { Float(Int.random(in: 0...2, using: &$0)) })
    try AtomicFile.write(labels.gzipped, to: first + "/a.nii.gz")
    let arguments = ["export", "-m", place.model, "-o", place.folder("out"), "--images", place.input]
    let run = try Program.run(arguments + ["-prev_stage_predictions", first])
    #expect(run.status == 0 && run.output.contains("of \(place.input)"), "\(run.errors)")
    let alone = try Program.run(arguments)
    #expect(alone.status == 64 && alone.complaints("second stage", "-prev_stage_predictions") == 1, "\(alone.errors)")
  }

  @Test func stagesThatWaitForEachOtherAreRefused() throws {
    let place = try cascade(["a_0000.nii.gz": TestImage.good])
    try place.edit("plans.json", #""previous_stage": "3d_lowres""#, #""previous_stage": "3d_cascade_fullres""#)
    let run = try place.predict()
    #expect(run.status == 65)
    #expect(run.complaints("circle") == 1, "\(run.errors)")
  }

  @Test func labelsOfAFirstStageAreRefusedByOtherModels() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    let run = try place.predict(Workplace.quick + ["-prev_stage_predictions", place.input])
    #expect(run.status == 64)
    #expect(run.complaints("takes none", "-prev_stage_predictions") == 1)
    #expect(!Path.exists(place.output))
  }
}
