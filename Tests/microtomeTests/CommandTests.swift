import Basics
import Imaging
import TestSupport
import Testing

/// The commands beside `predict`.
@Suite struct CommandTests {
  @Test func versionAndHelpArePrinted() throws {
    let version = try Program.run(["--version"])
    #expect(version.status == 0)
    #expect(version.output.split(separator: ".").count == 3)
    let help = try Program.run(["--help"])
    #expect(help.status == 0)
    for word in ["predict", "inspect", "compare", "overlay", "engines"] {
      #expect(help.output.contains("\n  \(word) "))
    }
    for kind in Failure.Kind.allCases { #expect(help.output.contains("\(kind.rawValue) ")) }
    #expect(try Program.run(["nonsense"]).status == 64)
  }

  @Test func inspectTellsWhatSomethingIs() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage(shape: Shape3D(3, 4, 5), spacing: 2).gzipped])
    let model = try Program.run(["inspect", place.model])
    #expect(model.status == 0, "\(model.errors)")
    for word in ["Dataset999_Made", "3d_fullres", "class1 = 1", "fold_0", "fold_1", "PlainConvUNet", "16x16x16"] {
      #expect(model.output.contains(word), "\(word)")
    }
    let checkpoint = try Program.run(["inspect", place.model + "/fold_0/checkpoint_final.pth"])
    #expect(checkpoint.status == 0)
    for word in ["network_weights", "nnUNetTrainer", "encoder.stages.0.0.convs.0.conv.weight float32 [2, 1, 3, 3, 3]"] {
      #expect(checkpoint.output.contains(word), "\(word)")
    }
    let image = try Program.run(["inspect", place.input + "/a_0000.nii.gz"])
    #expect(image.status == 0)
    for word in ["NIfTI", "compressed", "3x4x5", "2.0"] { #expect(image.output.contains(word), "\(image.output)") }
  }

  @Test func inspectRefusesGarbage() throws {
    let place = try Workplace([
      "garbage.nii.gz": [1, 2, 3], "garbage.pth": [1, 2, 3], "garbage.safetensors": [1, 2, 3], "garbage": [1, 2, 3],
      "empty.png": [],
    ])
    for name in try Path.list(place.input) {
      let run = try Program.run(["inspect", Path.join(place.input, name)])
      #expect(run.status == 65, "\(name): \(run.errors)")
      #expect(run.complaints(Path.join(place.input, name)) == 1)
    }
    #expect(try Program.run(["inspect", place.input]).complaints("not a model folder") == 1)
    #expect(try Program.run(["inspect", place.folder("nothing")]).status == 66)
  }

  /// A segmentation of four slices; those from `plane` on have label 1.
  private func halves(at plane: Int) throws -> [UInt8] {
    var bytes = TestImage(shape: Shape3D(4, 4, 4), voxel: { _ in 0 }).bytes
    for voxel in plane * 16..<64 {
      let place = 352 + voxel * 4
      withUnsafeBytes(of: Float(1).bitPattern.littleEndian) { bytes.replaceSubrange(place..<place + 4, with: $0) }
    }
    return try Gzip.compress(bytes)
  }

  @Test func compareGivesTheOverlap() throws {
    let place = try Workplace(["a.nii.gz": halves(at: 1), "b.nii.gz": halves(at: 2), "c.nii.gz": TestImage.good])
    func path(_ name: String) -> String { Path.join(place.input, name) }
    let run = try Program.run([
      "compare", path("a.nii.gz"), path("b.nii.gz"), "--dataset", place.model + "/dataset.json",
    ])
    #expect(run.status == 0, "\(run.errors)")
    // Three slices against two: 2 * 32 / (48 + 32); one slice of four differs.
    #expect(run.output.contains("Dice 0.8000  label 1 class1\n"), "\(run.output)")
    #expect(run.output.contains("25.0000 %"))
    let other = try Program.run(["compare", path("a.nii.gz"), path("c.nii.gz")])
    #expect(other.status == 65)
    let missing = try Program.run(["compare", path("a.nii.gz"), path("d.nii.gz")])
    #expect(missing.status == 66)
    #expect(missing.complaints(path("d.nii.gz")) == 1)
  }

  @Test func overlayDrawsAPicture() throws {
    let place = try Workplace(["a.nii.gz": halves(at: 1), "b.nii.gz": halves(at: 2), "c.nii.gz": TestImage.good])
    func path(_ name: String) -> String { Path.join(place.input, name) }
    let picture = place.folder("picture.png")
    let run = try Program.run(["overlay", path("a.nii.gz"), path("b.nii.gz"), "-o", picture])
    #expect(run.status == 0, "\(run.errors)")
    #expect(try Path.read(picture).starts(with: [0x89, 0x50, 0x4E, 0x47]))
    let other = try Program.run(["overlay", path("a.nii.gz"), path("c.nii.gz"), "-o", place.folder("other.png")])
    #expect(other.status == 65)
    let nowhere = try Program.run(["overlay", path("a.nii.gz"), path("b.nii.gz"), "-o", place.folder("no/where.png")])
    #expect(nowhere.status == 73)
    let photograph = try Program.run(["overlay", path("a.nii.gz"), path("b.nii.gz"), "-o", place.folder("picture.jpg")])
    #expect(photograph.status == 64 && photograph.complaints("picture.jpg", ".png") == 1)
    #expect(try Path.list(place.folder.path) == ["images", "picture.png"])
  }

  @Test func explainWritesNothing() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage(shape: Shape3D(20, 16, 16)).gzipped, "b_0000.nii.gz": []])
    let run = try place.predict(["-f", "0", "1", "--engine", "reference", "--explain"])
    #expect(run.status == 0, "\(run.errors)")
    // Two patches, eight mirrorings, two folds.
    for word in ["PlainConvUNet", "32 passes", "GFLOP", "MiB", "cannot be segmented", "is empty"] {
      #expect(run.output.contains(word), "\(run.output)")
    }
    #expect(!Path.exists(place.output))
  }
}
