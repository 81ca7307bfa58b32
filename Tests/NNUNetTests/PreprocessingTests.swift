import Basics
import Checkpoints
import Foundation
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import NNUNet

/// Fingerprint, plans and preprocessed cases of a small dataset against those of nnU-Net 2.8.1
/// (`Resources/make_preprocessing.py`).
@Suite struct PreprocessingTests {
  static let golden = Bundle.module.bundlePath + "/Resources/preprocessing"
  static let name = "Dataset043_Small"
  private let reference = Self.golden + "/preprocessed/" + Self.name

  private func dataset() throws -> RawDataset { try RawDataset(path: Self.golden + "/raw/" + Self.name) }

  @Test func theFingerprintIsTheReferences() throws {
    let dataset = try dataset()
    let found = try DatasetFingerprint.extract(from: dataset, reader: dataset.reader())
    let expected = try DatasetFingerprint.read(reference + "/" + DatasetFingerprint.fileName)
    #expect(found.shapes == expected.shapes && found.spacings == expected.spacings)
    #expect(found.medianRelativeSize == expected.medianRelativeSize)
    for (channel, statistics) in expected.intensities.object?.members ?? [] {
      for (name, value) in statistics.object?.members ?? [] {
        let (mine, theirs) = (found.intensities[channel]?[name]?.double ?? .nan, value.double ?? .nan)
        // The reference sums in single precision.
        #expect(abs(mine - theirs) <= 1e-6 * abs(theirs), "\(channel) \(name)")
      }
    }
    let folder = try TemporaryFolder()
    try found.write(to: folder("f.json"))
    #expect(try DatasetFingerprint.read(folder("f.json")) == found)
  }

  @Test(arguments: [
    ("ExperimentPlanner", "nnUNetPlans"), ("nnUNetPlanner_torchres", "nnUNetPlans_torchres"),
    ("nnUNetPlannerResEncL_torchres_sepz", "nnUNetResEncUNetLPlans_torchres_sepz"),
    ("nnUNetPlannerResEncL_noResampling", "nnUNetResEncUNetLPlans_noResampling"),
    ("ResEncUNetPlanner", "nnUNetResEncUNetPlans"),
  ])
  func plansAreTheReferences(planner: String, file: String) throws {
    let dataset = try dataset()
    let plans = try ExperimentPlanner(
      preset: .named(planner), datasetName: Self.name, dataset: dataset.description.json,
      fingerprint: .read(reference + "/" + DatasetFingerprint.fileName), reader: dataset.reader()
    ).plan()
    #expect(plans.text(indent: 4) == String(decoding: try Path.read("\(reference)/\(file).json"), as: UTF8.self))
  }

  private func values(_ preprocessed: any PreprocessedCase, _ box: Box3D? = nil) throws -> ([Float], [Int16]) {
    let box = box ?? Box3D(preprocessed.shape)
    var image = [Float](repeating: .nan, count: preprocessed.channelCount * box.shape.count)
    var labels = [Int16](repeating: 99, count: box.shape.count)
    try image.withUnsafeMutableBufferPointer { image in
      try labels.withUnsafeMutableBufferPointer { try preprocessed.read(box, image: image, labels: $0) }
    }
    return (image, labels)
  }

  /// Preprocesses into a folder of the test's own.
  private func preprocess(_ plansName: String, into folder: String) throws {
    try PreprocessingRun(
      dataset: dataset(), plans: .read("\(reference)/\(plansName).json"), folder: folder,
      configurations: ["3d_fullres", "3d_lowres"]
    ).run()
  }

  /// Our `.npz` against the reference's `.b2nd`, which our own reader decodes.
  @Test(arguments: ["nnUNetPlans", "nnUNetPlans_torchres"])
  func casesAreTheReferences(plansName: String) throws {
    let folder = try TemporaryFolder()
    try preprocess(plansName, into: folder.path)
    try Path.copy("\(reference)/\(plansName).json", to: folder("\(plansName).json"))
    let mine = try PreprocessedFolder(path: folder("\(plansName)_3d_fullres"))
    let theirs = try PreprocessedFolder(path: "\(reference)/\(plansName)_3d_fullres")
    #expect(mine.identifiers == ["case0", "case1"] && theirs.identifiers == mine.identifiers)
    for identifier in mine.identifiers {
      let (a, b) = (try mine.open(identifier), try theirs.open(identifier))
      #expect(a.shape == b.shape && a.channelCount == 2 && b.channelCount == 2)
      let ((image, labels), (expectedImage, expectedLabels)) = (try values(a), try values(b))
      #expect(labels == expectedLabels)
      #expect(labels.contains(-1) && labels.contains(3))
      #expect(zip(image, expectedImage).allSatisfy { abs($0 - $1) <= 1e-4 })
      // Regions, then everything that is annotated; the very voxels that NumPy draws.
      #expect(a.properties.locations == b.properties.locations)
      #expect(a.properties.locations.map(\.labels) == [[1, 2, 3], [2, 3], [3], [-1, 0, 1, 2, 3]])
      let (record, expected) = (a.properties.record, b.properties.record)
      #expect(record.originalShape == expected.originalShape && record.cropBox == expected.cropBox)
      #expect(record.spacing == expected.spacing && record.originalSpacing == expected.originalSpacing)
      #expect(record.geometry == expected.geometry && record.networkShape == a.shape)
      #expect(record.networkSpacing == expected.networkSpacing)
    }
    #expect(try Path.list(folder("gt_segmentations")) == ["case0.nii.gz", "case1.nii.gz"])
    #expect(try Path.list(folder.path).allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func boxesAreCutOutOfBothFormats() throws {
    let folder = try TemporaryFolder()
    try preprocess("nnUNetPlans", into: folder.path)
    let paths = [folder("nnUNetPlans_3d_fullres"), reference + "/nnUNetPlans_3d_fullres"]
    for preprocessed in try paths.map({ try PreprocessedFolder(path: $0).open("case1") }) {
      let (image, labels) = try values(preprocessed)
      let shape = preprocessed.shape
      let whole = Volume(channels: 2, shape: shape, elements: image)
      for box in [
        Box3D(lower: Shape3D(1, 2, 3), upper: Shape3D(shape.z, shape.y - 1, shape.x - 2)),
        Box3D(lower: Shape3D(2, 5, 7), upper: Shape3D(3, 6, 8)),
        Box3D(lower: Shape3D(1, 1, 1), upper: Shape3D(1, 4, 4)),
      ] {
        let (part, partLabels) = try values(preprocessed, box)
        #expect(part == (try whole.cropped(to: box)).elements)
        #expect(partLabels == (try Volume(shape: shape, elements: labels).cropped(to: box)).elements)
      }
      let outside = Box3D(lower: Shape3D(0, 0, 0), upper: Shape3D(shape.z + 1, 1, 1))
      #expect(throws: Failure.self) { try values(preprocessed, outside) }
    }
  }

  /// What an interrupted run has left behind does not end up in the next one's result.
  @Test func aRunReplacesWhatWasThere() throws {
    let folder = try TemporaryFolder()
    try Path.makeFolder(folder(".partial-0123456789ab-1"))
    try AtomicFile.write([1], to: folder(".partial-0123456789ab-1/gone.npz"))
    try Path.makeFolder(folder("nnUNetPlans_3d_fullres"))
    try AtomicFile.write([1], to: folder("nnUNetPlans_3d_fullres/old.npz"))
    try preprocess("nnUNetPlans", into: folder.path)
    #expect(
      try Path.list(folder("nnUNetPlans_3d_fullres")) == ["case0.npz", "case0.pkl", "case1.npz", "case1.pkl"])
    #expect(try Path.list(folder.path) == ["gt_segmentations", "nnUNetPlans_3d_fullres"])
  }

  @Test func aFailedCaseLeavesTheOldResult() throws {
    let folder = try TemporaryFolder()
    try Path.makeFolder(folder("nnUNetPlans_3d_fullres"))
    let raw = folder("raw")
    for part in ["imagesTr", "labelsTr"] {
      try Path.makeFolder(Path.join(raw, part))
      let source = Self.golden + "/raw/\(Self.name)/\(part)"
      for file in try Path.list(source) {
        try Path.copy(Path.join(source, file), to: Path.join(raw, "\(part)/\(file)"))
      }
    }
    try Path.copy(Self.golden + "/raw/\(Self.name)/dataset.json", to: raw + "/dataset.json")
    try AtomicFile.write([1, 2, 3], to: raw + "/labelsTr/case1.nii.gz")
    let dataset = try RawDataset(path: raw)
    let run = PreprocessingRun(
      dataset: dataset, plans: try .read(reference + "/nnUNetPlans.json"), folder: folder.path,
      configurations: ["3d_fullres"])
    let failure = #expect(throws: Failure.self) { try run.run() }
    #expect(failure?.kind == .badInput)
    #expect(try Path.list(folder("nnUNetPlans_3d_fullres")).isEmpty)
    #expect(try Path.list(folder.path) == ["nnUNetPlans_3d_fullres", "raw"])
    // The same dataset's check names the file, and goes on with the others.
    let report = try DatasetIntegrity(of: dataset, reader: .simpleITK)
    #expect(report.problems.map(\.file) == [raw + "/labelsTr/case1.nii.gz"])
  }

  /// Damage anywhere in a file is found or harmless, never a crash.
  @Test func damagedBloscFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    let source = reference + "/nnUNetPlans_3d_fullres/case0"
    for ending in ["_seg.b2nd", ".pkl"] { try Path.copy(source + ending, to: folder("case0" + ending)) }
    let bytes = try Path.read(source + ".b2nd")
    var generator = SeededGenerator(seed: 2)
    for trial in 0..<300 {
      let changed = damaged(bytes, trial: trial, header: 300, using: &generator)
      try AtomicFile.write(changed, to: folder("case0.b2nd"), flushes: false)
      do {
        _ = try values(PreprocessedFolder(path: folder.path).open("case0"))
      } catch let failure as Failure {
        #expect(failure.kind == .badInput, "\(failure)")
      }
    }
  }

  @Test func compressedArchivesAndOldLabelsAreRead() throws {
    let folder = try TemporaryFolder()
    try preprocess("nnUNetPlans", into: folder.path)
    let path = folder("nnUNetPlans_3d_fullres")
    let (image, labels) = try values(PreprocessedFolder(path: path).open("case0"))
    // As nnU-Net up to 2.5 unpacks: int8 labels in files of their own.
    let archive = try NPZFile(path: path + "/case0.npz")
    let tensor = try archive.tensor(named: "data")
    #expect(tensor.floats() == image)
    #expect(try archive.tensor(named: "seg").integers().map { Int16($0) } == labels)
    let writer = try NPZWriter(path: path + "/case0.npz")
    try writer.begin("data", shape: tensor.shape)
    try image.withUnsafeBufferPointer { try writer.append($0) }
    try writer.end()
    let narrow = labels.map { Int8($0) }
    try narrow.withUnsafeBytes { try writer.store("seg", $0, type: .int8, shape: [1] + tensor.shape[1...]) }
    try writer.commit()
    let again = try values(PreprocessedFolder(path: path).open("case0"))
    #expect(again.0 == image && again.1 == labels)
  }

  @Test func foldersThatCannotBeReadAreExplained() throws {
    let folder = try TemporaryFolder()
    #expect(throws: Failure.self) { try PreprocessedFolder(path: folder("none")) }
    #expect(throws: Failure.self) { try PreprocessedFolder(path: folder.path) }
    try AtomicFile.write([1], to: folder("a.npz"))
    #expect(throws: Failure.self) { try PreprocessedFolder(path: folder.path).open("a") }
    #expect(throws: Failure.self) { try PreprocessedFolder(path: folder.path).open("b") }
    try AtomicFile.write([1], to: folder("a.b2nd"))
    #expect(throws: Failure.self) { try PreprocessedFolder(path: folder.path) }
  }
}
