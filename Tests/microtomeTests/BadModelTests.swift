import Basics
import TestSupport
import Testing

/// A way to spoil a model, the file that the message must name, and what it must say.
struct BadModel: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let culprit: String
  let phrases: [String]
  let spoil: @Sendable (Workplace) throws -> Void

  init(
    _ description: String, in culprit: String, says phrases: String...,
    spoil: @escaping @Sendable (Workplace) throws -> Void
  ) {
    testDescription = description
    self.culprit = culprit
    self.phrases = phrases
    self.spoil = spoil
  }

  /// A model whose plans or dataset description was edited.
  static func edited(_ file: String, _ old: String, _ new: String, says phrases: String...) -> BadModel {
    var model = BadModel("\(file) with \(new.prefix(60))", in: file) { try $0.edit(file, old, new) }
    model.add(phrases)
    return model
  }

  /// A model with another checkpoint.
  static func checkpoint(_ name: String, says phrases: String...) -> BadModel {
    var model = BadModel("checkpoint \(name)", in: "fold_0/checkpoint_final.pth") {
      try $0.setCheckpoint(Path.read(Workplace.resource("checkpoints/\(name).pth")))
    }
    model.add(phrases)
    return model
  }

  private mutating func add(_ phrases: [String]) {
    self = BadModel(testDescription, in: culprit, phrases: self.phrases + phrases, spoil: spoil)
  }

  private init(
    _ description: String, in culprit: String, phrases: [String], spoil: @escaping @Sendable (Workplace) throws -> Void
  ) {
    testDescription = description
    self.culprit = culprit
    self.phrases = phrases
    self.spoil = spoil
  }

  static let checkpoints = [
    checkpoint("foreign", says: "not made by nnU-Net", "epoch, model"),
    checkpoint("more_features", says: "encoder.stages.1.0.convs.0.conv.weight", "(5, 2, 3, 3, 3)", "(4, 2, 3, 3, 3)"),
    checkpoint("more_classes", says: "give 4", "1 and 3"),
    checkpoint("more_channels", says: "take 2 channel(s)", "1 and 3"),
    checkpoint("planar", says: "encoder.stages.0.0.convs.0.conv.weight"),
    checkpoint("command", says: "posix.system", "never runs code"),
    checkpoint("climbing", says: "../", "not allowed"),
    BadModel("empty checkpoint", in: "fold_0/checkpoint_final.pth") { try $0.setCheckpoint([]) },
    BadModel("checkpoint of text", in: "fold_0/checkpoint_final.pth") {
      try $0.setCheckpoint(Array("not a checkpoint\n".utf8))
    },
    BadModel("truncated checkpoint", in: "fold_0/checkpoint_final.pth") { place in
      try place.setCheckpoint(Array(Path.read(place.model + "/fold_0/checkpoint_final.pth").prefix(20_000)))
    },
  ]

  static let documents = [
    BadModel("empty plans.json", in: "plans.json", says: "JSON") {
      try AtomicFile.write([], to: $0.model + "/plans.json")
    },
    BadModel("nested plans.json", in: "plans.json", says: "nested") {
      try AtomicFile.write(Array(repeating: UInt8(ascii: "["), count: 100_000), to: $0.model + "/plans.json")
    },
    edited("plans.json", #""configurations""#, #""configurations"#, says: "JSON", "line"),
    edited("plans.json", #""configurations""#, #""others""#, says: "configurations"),
    edited("plans.json", #""3d_fullres": {"#, #""2d": {"#, says: "no configuration \"3d_fullres\"", "there are 2d"),
    edited("plans.json", #""batch_dice": false"#, #""inherits_from": "3d_fullres""#, says: "circle"),
    edited("plans.json", #""batch_dice": false"#, #""inherits_from": "nothing""#, says: "nothing"),
    edited("plans.json", #""ZScoreNormalization""#, #""HistogramNormalization""#, says: "HistogramNormalization"),
    edited("plans.json", #""SimpleITKIO""#, #""DicomIO""#, says: "DicomIO", "NibabelIO"),
    edited("plans.json", "unet.PlainConvUNet", "primus.Primus", says: "Primus", "not supported"),
    edited("plans.json", #""DefaultPreprocessor""#, #""OwnPreprocessor""#, says: "OwnPreprocessor"),
    edited("plans.json", #""resample_data_or_seg_to_shape""#, #""own_resampling""#, says: "own_resampling"),
    edited("plans.json", #""patch_size": ["#, #""patch_size": [4096, 4096, 4096], "x": ["#, says: "patch", "too large"),
    edited("plans.json", #""patch_size": ["#, #""patch_size": [15, 16, 16], "x": ["#, says: "patch of 15", "multiple"),
    edited("plans.json", #""patch_size": ["#, #""patch_size": [-1, 16, 16], "x": ["#, says: "patch_size"),
    edited("plans.json", #""n_stages": 2"#, #""n_stages": 1000000000"#, says: "stages"),
    edited(
      "plans.json", #""transpose_forward": ["#, #""transpose_forward": [0, 0, 1], "x": ["#, says: "transpose_forward"),
    edited("dataset.json", #""labels""#, #""classes""#, says: "labels"),
    edited("dataset.json", #""channel_names""#, #""channels""#, says: "channel_names"),
    edited("dataset.json", #""file_ending""#, #""ending""#, says: "file_ending"),
    edited("dataset.json", #""background": 0"#, #""background": 1"#, says: "background"),
    edited("dataset.json", #""class1": 1"#, #""class1": "one""#, says: "class1"),
    edited("dataset.json", #""class2": 2"#, #""class2": 2, "ignore": 1"#, says: "ignore"),
    edited("dataset.json", #""class2": 2"#, #""class2": [1, 2]"#, says: "regions_class_order"),
  ]
}

@Suite struct BadModelTests {
  @Test(arguments: BadModel.checkpoints + BadModel.documents)
  func aBadModelIsRefusedBeforeAnythingIsWritten(_ bad: BadModel) throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    try place.copyModel()
    try bad.spoil(place)
    let run = try place.predict()
    #expect(run.status == 65)
    #expect(run.errors.split(separator: "\n").count == 1, "\(run.errors)")
    #expect(run.complaints(Path.join(place.model, bad.culprit)) == 1, "\(run.errors)")
    for phrase in bad.phrases { #expect(run.errors.contains(phrase), "\(run.errors)") }
    #expect(!Path.exists(place.output))
    // What the command in one of the checkpoints would have left.
    #expect(!Path.exists("/tmp/microtome-was-here"))
  }

  @Test func whatIsMissingIsNamedTogetherWithWhatThereIs() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    func status(_ options: [String], says phrases: String..., model: String? = nil) throws -> Int32 {
      let run = try Program.run(
        ["predict", "-i", place.input, "-o", place.output, "-m", model ?? place.model, "--engine", "reference"]
          + options)
      for phrase in phrases { #expect(run.errors.contains(phrase), "\(run.errors)") }
      return run.status
    }
    #expect(try status(["-f", "3"], says: "fold_3", "fold 0, 1", "-f") == 66)
    #expect(try status([], says: "fold_2", "fold 0, 1") == 66)
    #expect(try status(["-f", "all"], says: "fold_all", "fold 0, 1") == 66)
    #expect(try status(["-f", "0", "-chk", "checkpoint_best.pth"], says: "checkpoint_best.pth", "-chk") == 66)
    #expect(try status([], says: "/nowhere", "does not exist", model: "/nowhere") == 66)
    #expect(try status([], says: "not a folder", model: place.model + "/plans.json") == 66)
    #expect(!Path.exists(place.output))
  }

  @Test func theRightFolderIsNamed() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    try Workplace.copy(place.model, to: place.folder("Dataset999_Made/made"))
    let model = place.folder("Dataset999_Made/made")
    for wrong in [place.folder("Dataset999_Made"), model + "/fold_0"] {
      place.model = wrong
      let run = try place.predict()
      #expect(run.status == 66 && run.complaints("\(wrong): is no model folder", "\(model))") == 1, "\(run.errors)")
    }
    place.model = place.input
    #expect(try place.predict().complaints("\(place.input): is no model folder", "plans.json") == 1)
    #expect(!Path.exists(place.output))
  }

  @Test func aDescriptionIsNotTakenForAFolder() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good, "x.json": []])
    let run = try place.predict(Workplace.quick + ["--model-config", Path.join(place.input, "x.json")])
    #expect(run.status == 64 && run.complaints("x.json", place.model, "--model-config") == 1, "\(run.errors)")
  }

  @Test func absentDocumentsAreTakenFromTheCheckpoint() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    try place.copyModel()
    let whole = try place.predict()
    let expected = try Path.read(place.output + "/a.nii.gz")
    try Workplace.copy(place.model + "/fold_0", to: place.folder("bare/fold_0"))
    place.model = place.folder("bare")
    let bare = try place.predict()
    #expect(whole.status == 0)
    #expect(bare.status == 0, "\(bare.errors)")
    #expect(try Path.read(place.output + "/a.nii.gz") == expected)
  }
}
