import Basics
import Checkpoints
import Engines
import ImageFormats
import Imaging
import NNUNet
import TestSupport
import Testing

@testable import Training

/// Trainings from a preprocessed folder to summary.json.
@Suite struct TrainingRunTests {
  private let root: TemporaryFolder
  private let roots: DatasetRoots

  static let cascade = #"""
    , "second": {"inherits_from": "tiny", "previous_stage": "tiny", "next_stage": null,
      "data_identifier": "nnUNetPlans_second"}
    """#

  init() throws {
    let root = try TemporaryFolder()
    self.root = root
    roots = DatasetRoots { name in
      ["nnUNet_preprocessed": root("pre"), "nnUNet_results": root("results")][name]
    }
    let dataset = root("pre/Dataset001_Tiny")
    try Path.makeFolder(root("results"))
    for name in ["nnUNetPlans_tiny", "nnUNetPlans_second", "gt_segmentations"] {
      try Path.makeFolder(Path.join(dataset, name))
    }
    let plans = TinyTask.plans(extra: #", "next_stage": "second""#, more: Self.cascade)
    try AtomicFile.write(Array(plans.utf8), to: Path.join(dataset, "nnUNetPlans.json"))
    try AtomicFile.write(Array(TinyTask.dataset().utf8), to: Path.join(dataset, "dataset.json"))
    try AtomicFile.write(Array("{}".utf8), to: Path.join(dataset, "dataset_fingerprint.json"))
    // Few tiles and no mirroring: the engine is a slow one.
    for data in TinyTask.cases(6, shape: Shape3D(9, 16, 12)) {
      for folder in ["nnUNetPlans_tiny", "nnUNetPlans_second"] {
        try Self.write(data, to: Path.join(Path.join(dataset, folder), data.identifier))
      }
      let labels = LabelMap.uint8(Volume(shape: data.shape, elements: data.marks.elements.map { UInt8($0) }))
      try ImageReader.simpleITK.write(
        labels, as: Path.join(dataset, "gt_segmentations/\(data.identifier).nii.gz"), like: Self.geometry)
    }
  }

  static let geometry = SourceGeometry.itk(
    dimensions: 3, spacing: [1, 1, 1], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1],
    originalOrientation: nil)

  static func write(_ data: MemoryCase, to stem: String) throws {
    let archive = try NPZWriter(path: stem + ".npz")
    try data.image.elements.withUnsafeBytes {
      try archive.store("data", $0, type: .float32, shape: [1] + data.shape.axes)
    }
    try data.marks.elements.withUnsafeBytes { try archive.store("seg", $0, type: .int16, shape: [1] + data.shape.axes) }
    try archive.commit()
    let shape = PickleValue.tuple(data.shape.axes.map { .int($0) })
    var locations = PickleDictionary()
    for found in data.properties.locations {
      let rows = try (0..<found.count).map { at in
        PickleValue.list([.int(0)] + (try found.voxel(at).axes.map { .int($0) }))
      }
      try locations.set(.int(found.labels[0]), .list(rows))
    }
    func tuple(_ values: [Double]) -> PickleValue { .tuple(values.map { .float($0) }) }
    let itk = PickleDictionary([
      ("spacing", tuple([1, 1, 1])), ("origin", tuple([0, 0, 0])), ("direction", tuple([1, 0, 0, 0, 1, 0, 0, 0, 1])),
    ])
    let properties = PickleDictionary([
      ("sitk_stuff", .dictionary(itk)), ("spacing", .list([.float(1), .float(1), .float(1)])),
      ("shape_before_cropping", shape),
      ("bbox_used_for_cropping", .list(data.shape.axes.map { .list([.int(0), .int($0)]) })),
      ("shape_after_cropping_and_before_resampling", shape), ("class_locations", .dictionary(locations)),
    ])
    try PickleWriter.write(.dictionary(properties), to: stem + ".pkl")
  }

  private func options(_ configuration: String = "tiny", fold: String = "0") -> TrainingOptions {
    var options = TrainingOptions(dataset: "1", configuration: configuration, fold: fold)
    (options.epochs, options.iterationsPerEpoch, options.validationIterations) = (1, 2, 1)
    options.seed = 3
    options.trainer = "nnUNetTrainerNoMirroring"
    return options
  }

  @discardableResult
  private func run(_ options: TrainingOptions) throws -> SegmentationSummary {
    try TrainingRun(options, roots: roots).run(
      trainingEngine: { ReferenceEngine() }, inferenceEngine: { ReferenceEngine() }, report: { _ in })
  }

  private func result(_ path: String, _ configuration: String = "tiny") -> String {
    root("results/Dataset001_Tiny/nnUNetTrainerNoMirroring__nnUNetPlans__\(configuration)/\(path)")
  }

  @Test func trainsAndValidates() throws {
    let summary = try run(options())
    #expect(summary.cases.count == 2)
    for name in ["plans.json", "dataset.json", "dataset_fingerprint.json"] { #expect(Path.isFile(result(name))) }
    for name in ["checkpoint_final.pth", "debug.json", "validation/summary.json", "progress.png"] {
      #expect(Path.isFile(result("fold_0/\(name)")))
    }
    #expect(Path.isFile(root("pre/Dataset001_Tiny/splits_final.json")))

    // A finished training goes straight to validation, and so does --val.
    let before = try Path.read(result("fold_0/checkpoint_final.pth"))
    Path.removeTree(result("fold_0/validation"))
    var again = options()
    again.continues = true
    #expect(try run(again) == summary)
    again.continues = false
    again.onlyValidates = true
    again.savesProbabilities = true
    #expect(try run(again) == summary)
    #expect(try Path.list(result("fold_0/validation")).contains { $0.hasSuffix(".npz") })
    #expect(try Path.read(result("fold_0/checkpoint_final.pth")) == before)
  }

  @Test func withoutCheckpointsThereIsStillAValidation() throws {
    var options = options(fold: "all")
    options.disablesCheckpoints = true
    #expect(try run(options).cases.count == 6)
    #expect(try Path.list(result("fold_all")).contains { $0.hasSuffix(".pth") } == false)
  }

  @Test func secondStageLearnsFromTheFirst() throws {
    let failure = #expect(throws: Failure.self) { try run(options("second")) }
    #expect(failure?.kind == .missingInput)
    for fold in 0..<5 { try run(options(fold: "\(fold)")) }
    #expect(try Path.list(result("predicted_next_stage/second")).count == 6)
    #expect(try run(options("second")).cases.count == 2)
    let weights = try TorchCheckpoint.open(result("fold_0/checkpoint_final.pth", "second")).networkWeights
    #expect(weights["encoder.stages.0.0.convs.0.conv.weight"]?.shape[1] == 3)
  }

  /// A first stage that nnU-Net has validated: `.b2nd` files, in the compression that the library chooses by itself.
  @Test(.enabled(if: Zstandard.isAvailable, "the system has no libzstd"))
  func secondStageLearnsFromNNUNetsFirst() throws {
    let folder = NextStage.folder(modelFolder: result(""), configuration: "second")
    try Path.makeFolder(folder)
    let stage = ReferenceData.repositoryFolder + "/Tests/CheckpointsTests/Resources/blosc/stage.b2nd"
    for number in 0..<6 { try Path.copy(stage, to: Path.join(folder, "case_\(number).b2nd")) }
    let labels = try NextStage.open(folder: folder, identifier: "case_0").volume()
    #expect(labels.shape == Shape3D(9, 16, 12) && labels.elements == (0..<9 * 16 * 12).map { Int16($0 / 5 % 3) })
    #expect(try run(options("second")).cases.count == 2)
    // The newer one of two files counts.
    try NextStage.write(
      .uint8(Volume(shape: labels.shape, repeating: 2)), to: Path.join(folder, "case_0.npz"))
    #expect(try NextStage.open(folder: folder, identifier: "case_0").volume().elements.allSatisfy { $0 == 2 })
    try AtomicFile.write([UInt8](repeating: 7, count: 200), to: Path.join(folder, "case_1.b2nd"))
    let failure = #expect(throws: Failure.self) { try NextStage.open(folder: folder, identifier: "case_1") }
    #expect(failure?.kind == .badInput && failure?.file == Path.join(folder, "case_1.b2nd"))
  }

  @Test func mistakesAreNamed() throws {
    func failure(_ change: (inout TrainingOptions) -> Void) -> Failure? {
      var options = options()
      change(&options)
      return #expect(throws: Failure.self) { try run(options) }
    }
    #expect(failure { $0.dataset = "Dataset002_None" }?.kind == .missingInput)
    #expect(failure { $0.plans = "otherPlans" }?.hint?.contains("nnUNetPlans") == true)
    #expect(failure { $0.configuration = "huge" }?.hint?.contains("tiny") == true)
    #expect(failure { $0.trainer = "nnUNetTrainerX" }?.kind == .usage)
    #expect(failure { $0.fold = "first" }?.kind == .usage)
    #expect(failure { $0.onlyValidates = true }?.kind == .missingInput)
    #expect(failure { ($0.continues, $0.onlyValidates) = (true, true) }?.kind == .usage)
    #expect(failure { ($0.continues, $0.pretrainedWeights) = (true, "x.pth") }?.kind == .usage)
    #expect(failure { $0.pretrainedWeights = "/nowhere/x.pth" }?.kind == .missingInput)
  }
}
