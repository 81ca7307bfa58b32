import Basics
import ImageFormats
import Imaging
import NNUNet
import TestSupport
import Testing

/// Fingerprint, planning, preprocessing and conversion from the command line.
@Suite struct PlanningCommandTests {
  /// nnU-Net's three folders with one dataset of made-up scans.
  private struct Roots {
    let folder: TemporaryFolder
    var environment: [String: String?] {
      [
        "nnUNet_raw": folder("raw"), "nnUNet_preprocessed": folder("preprocessed"), "nnUNet_results": folder("results"),
        "nnUNet_raw_data_base": nil,
      ]
    }
    var dataset: String { folder("raw/Dataset007_Made") }
    var preprocessed: String { folder("preprocessed/Dataset007_Made") }

    init(cases: Int = 3) throws {
      folder = try TemporaryFolder()
      for part in ["raw/Dataset007_Made/imagesTr", "raw/Dataset007_Made/labelsTr", "preprocessed", "results"] {
        try Path.makeFolder(folder(part))
      }
      for index in 0..<cases { try add(index) }
      try describe(cases: cases)
    }

    func add(_ index: Int) throws {
      let shape = Shape3D(20 + index, 18, 16)
      var image = TestImage(shape: shape)
      image.seed = UInt64(index + 1)
      try AtomicFile.write(image.gzipped, to: "\(dataset)/imagesTr/m\(index)_0000.nii.gz")
      var label = TestImage(shape: shape)
      label.voxel = { Float.random(in: 0..<1, using: &$0) < 0.3 ? 1 : 0 }
      try AtomicFile.write(label.gzipped, to: "\(dataset)/labelsTr/m\(index).nii.gz")
    }

    func describe(cases: Int) throws {
      let text =
        #"{"channel_names": {"0": "T1"}, "labels": {"background": 0, "thing": 1}, "numTraining": \#(cases), "file_ending": ".nii.gz"}"#
      try AtomicFile.write(Array(text.utf8), to: dataset + "/dataset.json")
    }

    func run(_ name: String?, _ arguments: [String], environment extra: [String: String?] = [:]) throws -> ProgramRun {
      try Program.run(
        arguments, name: name, environment: environment.merging(extra, uniquingKeysWith: { $1 }), limit: 200)
    }
  }

  @Test func oneCommandDoesItAll() throws {
    let roots = try Roots()
    let run = try roots.run(
      "nnUNetv2_plan_and_preprocess", ["-d", "7", "--verify", "-c", "2d", "3d_fullres", "-np", "2", "2", "--bogus"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("3 training cases") && run.output.contains("nothing is wrong"))
    #expect(run.complaints("ignored", "--bogus") == 1)
    #expect(
      try Path.list(roots.preprocessed) == [
        "dataset.json", "dataset_fingerprint.json", "gt_segmentations", "nnUNetPlans.json", "nnUNetPlans_2d",
        "nnUNetPlans_3d_fullres",
      ])
    let folder = try PreprocessedFolder(path: roots.preprocessed + "/nnUNetPlans_2d")
    #expect(folder.identifiers == ["m0", "m1", "m2"])
    #expect(try folder.open("m1").shape == Shape3D(21, 18, 16))
  }

  @Test func theStepsGiveTheSame() throws {
    let roots = try Roots()
    for (name, arguments) in [
      ("nnUNetv2_extract_fingerprint", ["-d", "7"]),
      ("nnUNetv2_plan_experiment", ["-d", "7", "-pl", "nnUNetPlannerResEncM", "-gpu_memory_target", "6"]),
      ("nnUNetv2_preprocess", ["-d", "7", "-plans_name", "nnUNetResEncUNetMPlans", "-c", "3d_fullres"]),
    ] {
      let run = try roots.run(name, arguments)
      #expect(run.status == 0, "\(name): \(run.errors)")
    }
    let plans = try Plans.read(roots.preprocessed + "/nnUNetResEncUNetMPlans.json")
    #expect(plans.plansName == "nnUNetResEncUNetMPlans")
    // ResEnc presets share the standard plans' data.
    #expect(Path.isFile(roots.preprocessed + "/nnUNetPlans_3d_fullres/m2.npz"))
    let again = try roots.run(nil, ["fingerprint", "-d", "Dataset007_Made"])
    #expect(again.output.contains("kept"))
    try roots.add(3)
    try roots.describe(cases: 4)
    let stale = try roots.run(nil, ["fingerprint", "-d", "7"])
    #expect(stale.complaints("describes 3 cases", "--clean") == 1)
    let clean = try roots.run(nil, ["fingerprint", "-d", "7", "--clean"])
    #expect(clean.status == 0 && !clean.output.contains("kept"))
    let missing = try roots.run(nil, ["preprocess", "-d", "7", "-plans_name", "nnUNetPlans"])
    #expect(missing.status == 66 && missing.complaints("nnUNetResEncUNetMPlans") == 1)
  }

  @Test func everyProblemIsNamed() throws {
    let roots = try Roots()
    try AtomicFile.write(TestImage(shape: Shape3D(4, 4, 4)).gzipped, to: roots.dataset + "/labelsTr/m0.nii.gz")
    try AtomicFile.write([1], to: roots.dataset + "/imagesTr/m1_0000.nii.gz")
    try AtomicFile.write([1], to: roots.dataset + "/imagesTr/other.nii.gz")
    try roots.describe(cases: 5)
    let run = try roots.run("nnUNetv2_extract_fingerprint", ["-d", "7", "--verify_dataset_integrity"])
    #expect(run.status == 65)
    #expect(run.complaints("problem:", "\"numTraining\" is 5") == 1, "\(run.errors)")
    #expect(run.complaints("problem:", "other.nii.gz", "channel number") == 1)
    #expect(run.complaints("problem:", "labelsTr/m0.nii.gz", "no labels") == 1)
    #expect(run.complaints("problem:", "labelsTr/m0.nii.gz", "4x4x4 voxels") == 1)
    #expect(run.complaints("problem:", "m1_0000.nii.gz") == 1)
    #expect(!Path.exists(roots.preprocessed))
  }

  @Test func oldHabitsWork() throws {
    let roots = try Roots()
    let run = try roots.run("nnUNet_plan_and_preprocess", ["-t", "Task007_Made", "-pl2d", "None", "-tf", "2"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(try PreprocessedFolder(path: roots.preprocessed + "/nnUNetPlans_3d_fullres").identifiers.count == 3)
    #expect(!Path.exists(roots.preprocessed + "/nnUNetPlans_2d"))
  }

  /// As argparse has them: beginnings of options with one dash too, and a number right behind a letter.
  @Test func optionsMayBeShortened() throws {
    let roots = try Roots()
    let run = try roots.run("nnUNetv2_plan_and_preprocess", ["-d7", "--no_pp", "-gpu", "4", "-overwrite_p", "mine"])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(Path.isFile(roots.preprocessed + "/mine.json"))
  }

  @Test func mistakesHaveAdvice() throws {
    let roots = try Roots()
    let nowhere = try roots.run(
      nil, ["plan", "-d", "8"], environment: ["nnUNet_raw": nil, "nnUNet_preprocessed": nil, "nnUNet_results": nil])
    #expect(nowhere.status == 64 && nowhere.complaints("none of nnUNet_raw") == 1, "\(nowhere.errors)")
    #expect(try roots.run(nil, ["plan", "-d", "8"]).complaints("no dataset has the number 8") == 1)
    #expect(try roots.run(nil, ["plan", "-d", "7", "-pl", "nnUNetPlannerResEncS"]).complaints("did you mean") == 1)
    #expect(try roots.run(nil, ["plan", "-d", "7", "-preprocessor_name", "Mine"]).status == 64)
    let unset = try roots.run(nil, ["plan", "-d", "Dataset007_Made"], environment: ["nnUNet_raw": nil])
    #expect(unset.status == 64 && unset.complaints("nnUNet_raw") == 1)
  }

  /// A run that is killed leaves nothing that a second one does not put right.
  @Test func aKilledRunIsRunAgain() throws {
    let roots = try Roots()
    #expect(try roots.run(nil, ["plan-and-preprocess", "-d", "7", "-c", "3d_fullres"]).status == 0)
    let folder = roots.preprocessed + "/nnUNetPlans_3d_fullres"
    let expected = try Path.list(folder).map { try Path.read(Path.join(folder, $0)) }
    // What kill -9 leaves behind.
    try Path.makeFolder(roots.preprocessed + "/.partial-0123456789ab-1")
    try AtomicFile.write([1], to: roots.preprocessed + "/.partial-0123456789ab-1/m0.npz")
    Path.removeTree(folder)
    #expect(try roots.run(nil, ["preprocess", "-d", "7", "-c", "3d_fullres"]).status == 0)
    #expect(try Path.list(folder).map { try Path.read(Path.join(folder, $0)) } == expected)
    #expect(try Path.list(roots.preprocessed).allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func datasetsAreConverted() throws {
    let roots = try Roots()
    let task = roots.folder("Task09_Organ")
    for part in ["imagesTr", "imagesTs", "labelsTr"] { try Path.makeFolder(Path.join(task, part)) }
    let channels = TestImage(shape: Shape3D(2 * 3, 4, 5), dimensions: [4, 5, 4, 3, 2, 1, 1, 1])
    try AtomicFile.write(channels.gzipped, to: task + "/imagesTr/a.nii.gz")
    try AtomicFile.write(TestImage(shape: Shape3D(3, 4, 5)).gzipped, to: task + "/imagesTs/b.nii.gz")
    try AtomicFile.write(TestImage(shape: Shape3D(3, 4, 5), voxel: { _ in 1 }).gzipped, to: task + "/labelsTr/a.nii.gz")
    try AtomicFile.write([1], to: task + "/imagesTr/._a.nii.gz")
    let description =
      #"{"modality": {"0": "T1", "1": "T2"}, "labels": {"0": "background", "1": "organ"}, "numTraining": 1, "numTest": 1, "tensorImageSize": "4D", "training": [], "test": []}"#
    try AtomicFile.write(Array(description.utf8), to: task + "/dataset.json")

    let run = try roots.run("nnUNetv2_convert_MSD_dataset", ["-i", task])
    #expect(run.status == 0, "\(run.errors)")
    let dataset = try RawDataset(path: roots.folder("raw/Dataset009_Organ"))
    #expect(dataset.description.labels.all == [0, 1] && dataset.description.channelCount == 2)
    #expect(dataset.cases.map(\.identifier) == ["a"] && dataset.cases[0].images.count == 2)
    let image = try dataset.reader().read(dataset.cases[0].images)
    let voxels = channels.bytes.dropFirst(352).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(image.voxels.elements == voxels && image.voxels.shape == Shape3D(3, 4, 5))
    #expect(Path.isFile(roots.folder("raw/Dataset009_Organ/imagesTs/b_0000.nii.gz")))
    let again = try roots.run(nil, ["convert", "msd", "-i", task])
    #expect(again.status == 64 && again.complaints("-overwrite_id") == 1)
    #expect(try roots.run(nil, ["convert", "msd", "-i", task, "-overwrite_id", "10"]).status == 0)
    #expect(Path.isFolder(roots.folder("raw/Dataset010_Organ")))

    let old = try roots.run("nnUNetv2_convert_old_nnUNet_dataset", [task, "Dataset011_Old"])
    #expect(old.status == 0, "\(old.errors)")
    let json = try JSON.read(roots.folder("raw/Dataset011_Old/dataset.json"))
    #expect(json["channel_names"]?["1"]?.string == "T2" && json["numTest"] == nil)
    #expect(json["labels"]?["organ"]?.int == 1)
    #expect(try roots.run(nil, ["convert", "nnunet-v1", task, "Organ"]).status == 64)
  }
}
