import Basics
import Checkpoints
import TestSupport
import Testing

/// What goes wrong before and during a training: one clear message, the documented exit code, nothing half-written.
@Suite struct BadTrainingTests {
  private let place: TrainingPlace

  init() throws { place = try TrainingPlace() }

  /// A training that must fail before it has written anything.
  private func refused(
    _ run: ProgramRun, status: Int32, _ phrases: String..., location: SourceLocation = #_sourceLocation
  ) {
    #expect(run.status == status, "\(run.errors)", sourceLocation: location)
    let lines = run.errors.split(separator: "\n").filter { !$0.hasPrefix("warning") }
    #expect(lines.first?.hasPrefix("error: ") == true, "\(run.errors)", sourceLocation: location)
    for phrase in phrases { #expect(run.errors.contains(phrase), "\(run.errors)", sourceLocation: location) }
  }

  private func nothingWasWritten(location: SourceLocation = #_sourceLocation) {
    #expect(place.names(place.results).isEmpty, "\(place.names(place.results))", sourceLocation: location)
  }

  @Test func whatIsNotThereIsNamed() throws {
    refused(try place.train(fold: "first"), status: 64, "\"first\" is no fold")
    refused(try place.train(configuration: "3d_huge"), status: 64, "3d_huge", "2d, 3d_fullres")
    refused(
      try place.train(["-tr", "nnUNetTrainerBest"]), status: 64, "nnUNetTrainerBest", "nnUNetTrainerNoMirroring")
    refused(try place.train(["-p", "hugePlans"]), status: 66, "hugePlans", "tinyPlans")
    refused(try place.train(["--val"]), status: 66, "no finished training")
    refused(
      try place.train(["-pretrained_weights", place.folder("none.pth")]), status: 66, "none.pth")
    nothingWasWritten()
  }

  @Test func whatIsAskedOfAnEngineIsCheckedInValidationToo() throws {
    refused(try place.train(["--val"], engine: "abacus"), status: 64, "no engine called abacus")
    refused(try place.train(["--val", "-device", "cuda"]), status: 69, "no device", "cuda")
    nothingWasWritten()
  }

  @Test func theBestCheckpointMustBeThere() throws {
    refused(try place.train(["--val_best", "--disable_checkpointing"]), status: 64, "--disable_checkpointing")
    nothingWasWritten()
    try #require(try place.train(["--epochs", "1"]).status == 0)
    Path.removeTree(place.fold0("checkpoint_best.pth"))
    refused(try place.train(["--val", "--val_best"]), status: 66, "checkpoint_best.pth", "--val_best")
  }

  @Test func foldsAreNumbers() throws {
    let run = try place.train(["--epochs", "1"], fold: "00")
    #expect(run.status == 0, "\(run.errors)")
    #expect(Path.isFile(place.fold0("checkpoint_final.pth")))
  }

  @Test func casesThatTrainAndJudge() throws {
    let splits = #"[{"train": ["box0", "box1"], "val": ["box1", "box2"]}]"#
    try place.write(splits, to: "\(place.preprocessed)/splits_final.json")
    let run = try place.train(["--epochs", "1"])
    #expect(run.status == 0 && run.complaints("warning", "1 case(s) that train and judge") == 1, "\(run.errors)")
  }

  @Test func missingEngines() throws {
    refused(try place.train(engine: "abacus"), status: 64, "no engine called abacus")
    refused(try place.train(engine: "openvino", environment: ["MICROTOME_OPENVINO": place.folder.path]), status: 69)
    let empty: [String: String?] = ["MICROTOME_TORCH": place.folder.path]
    refused(try place.train(engine: "torch", environment: empty), status: 69, "torch", place.folder.path)
    // Without an engine for the validation at the end nothing is begun either.
    refused(
      try place.train(["--validation-engine", "torch"], environment: empty), status: 69, "torch")
    nothingWasWritten()
  }

  @Test func splitsWithUnknownCases() throws {
    let path = "\(place.preprocessed)/splits_final.json"
    let splits = #"[{"train": ["box0", "box1", "lost"], "val": ["box2"]}, {"train": ["box0"], "val": []}]"#
    try place.write(splits, to: path)
    refused(try place.train(), status: 65, "splits_final.json", "lost")
    refused(try place.train(fold: "1"), status: 65, "splits_final.json", "0 for validation")
    try place.write("[{", to: path)
    refused(try place.train(), status: 65, "splits_final.json")
    nothingWasWritten()
  }

  @Test func aFoldBeyondTheSplitsIsRandom() throws {
    let run = try place.train(["--epochs", "1"], fold: "7")
    #expect(run.status == 0 && run.complaints("warning", "5 folds", "random split") == 1, "\(run.errors)")
    #expect(run.output.contains("fold 7: 4 cases train, 2 judge"))
  }

  /// The folder was made with other plans, or from another version of the dataset.
  @Test func foldersOfOtherPlans() throws {
    try place.write(TrainingPlace.plans(spacing: 0.5), to: "\(place.preprocessed)/tinyPlans.json")
    refused(try place.train(), status: 65, "other plans", "microtome preprocess -d 8")
    try place.write(TrainingPlace.plans(), to: "\(place.preprocessed)/tinyPlans.json")
    let description = TrainingPlace.description(6).replacing(#""0": "MR""#, with: #""0": "MR", "1": "CT""#)
    let twoChannels = TrainingPlace.plans().replacing(
      #"["ZScoreNormalization"], "use_mask_for_norm": [false]"#,
      with: #"["ZScoreNormalization", "ZScoreNormalization"], "use_mask_for_norm": [false, false]"#)
    try place.write(description, to: "\(place.preprocessed)/dataset.json")
    try place.write(twoChannels, to: "\(place.preprocessed)/tinyPlans.json")
    refused(try place.train(), status: 65, "1 channel(s), dataset.json names 2")
    nothingWasWritten()
  }

  @Test func aTruncatedCaseIsNamed() throws {
    let path = "\(place.preprocessed)/tinyPlans_3d_fullres/box3.npz"
    try AtomicFile.write(Array(try Path.read(path).dropLast(900)), to: path)
    refused(try place.train(), status: 65, "box3.npz")
    nothingWasWritten()
  }

  @Test func checkpointsOfOtherNetworks() throws {
    try #require(try place.train(["--epochs", "1"]).status == 0)
    let checkpoint = place.fold0("checkpoint_final.pth")
    let before = try (Path.read(checkpoint), Path.read(place.fold0("../plans.json")))
    try place.write(TrainingPlace.plans(features: 6), to: "\(place.preprocessed)/tinyPlans.json")
    refused(try place.train(["-c", "--epochs", "2"]), status: 65, "checkpoint_final.pth")
    #expect(try Path.read(checkpoint) == before.0 && Path.read(place.fold0("../plans.json")) == before.1)
    let other = place.folder("other")
    refused(
      try place.train(["-pretrained_weights", checkpoint], configuration: "2d"), status: 65, "pretrained weights",
      "same plans")
    try AtomicFile.write([1, 2, 3], to: other)
    refused(try place.train(["-pretrained_weights", other], configuration: "2d"), status: 65, other)
    #expect(place.names(place.results).count == 1)
  }

  /// A disk that is full while a checkpoint is written, played by a limit for the size of files.
  @Test func fullDisk() throws {
    try #require(try place.train(["--epochs", "1"]).status == 0)
    let final = try Path.read(place.fold0("checkpoint_final.pth"))
    #expect(final.count > 60_000)
    // 16 to 32 KiB, according to the shell's unit: enough for the log and the other files.
    let run = try place.train(["--epochs", "3", "-c"], largestFile: 32)
    refused(run, status: 73, "cannot be written", "make room", "checkpoint_best.pth")
    #expect(place.names(place.fold0("")).allSatisfy { !$0.hasPrefix(".") })
    #expect(try Path.read(place.fold0("checkpoint_final.pth")) == final)
    #expect(try TorchCheckpoint.open(place.fold0("checkpoint_best.pth")).root["current_epoch"]?.int == 1)
    let again = try place.train(["--epochs", "3", "-c"])
    #expect(again.status == 0 && again.output.contains("epoch 2/3"), "\(again.errors)")

    let preprocessing = try place.preprocess(largestFile: 8)
    #expect(
      preprocessing.status == 73 && preprocessing.errors.contains("nothing was changed"), "\(preprocessing.errors)")
    #expect(place.names(place.preprocessed).allSatisfy { !$0.hasPrefix(".") })
    #expect(place.names("\(place.preprocessed)/tinyPlans_2d").count == 12)
  }

  /// Voxels that are no numbers. (NIfTI's are read as 0, as in ITK.)
  @Test func notANumber() throws {
    try #require(try place.train(["--epochs", "1"]).status == 0)
    let kept = try Path.read(place.fold0("checkpoint_best.pth"))
    for name in place.cases {
      let path = "\(place.preprocessed)/tinyPlans_3d_fullres/\(name).npz"
      let arrays = try NPZFile(path: path)
      let (image, labels) = try (arrays.tensor(named: "data"), arrays.tensor(named: "seg"))
      let spoiled = [Float](repeating: .nan, count: image.count)
      let writer = try NPZWriter(path: path)
      try spoiled.withUnsafeBytes { try writer.store("data", $0, type: .float32, shape: image.shape) }
      let marks = try labels.integers().map { Int16($0) }
      try marks.withUnsafeBytes { try writer.store("seg", $0, type: .int16, shape: labels.shape) }
      try writer.commit()
    }
    let run = try place.train(["--epochs", "3", "-c"])
    refused(run, status: 65, "not a number", "epoch 1", "checkpoint_best.pth", "extreme or missing values")
    #expect(try Path.read(place.fold0("checkpoint_best.pth")) == kept)
    #expect(!Path.exists(place.fold0("checkpoint_latest.pth")))
    let logs = place.names(place.fold0("")).filter { $0.hasSuffix(".txt") }
    let text = String(decoding: try Path.read(place.fold0(try #require(logs.last))), as: UTF8.self)
    #expect(text.contains("training stops"))
  }
}
