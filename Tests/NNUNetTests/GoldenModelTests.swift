import Basics
import Checkpoints
import Engines
import Evaluation
import Foundation
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import NNUNet

/// A small model in an unusual configuration, its images, and what nnU-Net wrote for them
/// (`Resources/make_golden.py` made all of it).
struct GoldenModel: Sendable, CustomTestStringConvertible {
  static let folder = Bundle.module.bundlePath + "/Resources/golden"
  static let all = ((try? Path.list(folder)) ?? []).filter { $0 != "weights" }.sorted().map(GoldenModel.init)

  let name: String

  init(_ name: String) { self.name = name }

  var testDescription: String { name }
  private var path: String { Path.join(Self.folder, name) }
  var expectedFolder: String { Path.join(path, "expected") }

  /// Lays out the model as nnU-Net would below `folder` and returns the job that predicts its images into `output`.
  func job(in folder: TemporaryFolder, output: String) throws -> PredictionJob {
    let run = try JSON.read(Path.join(path, "run.json"))
    let use = try #require(run["configuration"]?.string)
    let weights = try #require(run["weights"]?.object)
    for (configuration, names) in weights.members {
      let model = folder("Trainer__Plans__\(configuration)")
      for (fold, name) in try #require(names.strings).enumerated() {
        let foldFolder = Path.join(model, "fold_\(fold)")
        try Path.makeFolder(foldFolder)
        let packed = try Path.read(Path.join(Self.folder, "weights/\(name).pth.gz"))
        try AtomicFile.write(
          packed.withUnsafeBytes { try Gzip.decompress($0) }, to: Path.join(foldFolder, "checkpoint_final.pth"))
      }
      for document in ["plans.json", "dataset.json"] {
        try AtomicFile.write(Path.read(Path.join(path, document)), to: Path.join(model, document))
      }
    }
    var options = PredictionOptions()
    options.step = try #require(run["step"]?.double)
    options.mirroring = try #require(run["mirroring"]?.bool)
    options.compile.precision = .fp32
    let folds = weights[use]?.array?.indices.map(String.init) ?? []
    return PredictionJob(
      input: Path.join(path, "images"), outputFolder: output, modelFolder: folder("Trainer__Plans__\(use)"),
      folds: folds, checkpoint: "checkpoint_final.pth", options: options)
  }
}

@Suite struct GoldenModelTests {
  /// The engine that is fast when it is there, or the one that always is.
  private static let engine: any Engine = InstalledOpenVINO.engine ?? ReferenceEngine()

  @Test func allArePresent() { #expect(GoldenModel.all.count == 61) }

  /// The networks have random weights, so classes are close to each other in many voxels, and another order of
  /// summation in float32 may turn round a near-tie: 0.05 % of the voxels may differ, and one voxel of a tiny image.
  /// (When the files were made, none did.)
  @Test(arguments: GoldenModel.all) func labelsAreTheReferences(golden: GoldenModel) throws {
    let folder = try TemporaryFolder()
    let opened = try golden.job(in: folder, output: folder("output")).open()
    let summary = try opened.run(on: Self.engine) { _ in }
    #expect(summary.failures == [])
    let names = try Path.list(golden.expectedFolder).filter { $0.hasSuffix(opened.model.dataset.fileEnding) }
    #expect(summary.finished == names.count && !names.isEmpty)
    for name in names {
      let reader = opened.model.plans.reader
      let ours = try reader.readLabels(Path.join(folder("output"), name))
      let theirs = try reader.readLabels(Path.join(golden.expectedFolder, name))
      #expect(ours.geometry == theirs.geometry && ours.spacing == theirs.spacing)
      let voxels = theirs.labels.shape.count
      let different = try ours.labels.fractionDifferent(from: theirs.labels) * Double(voxels)
      #expect(different <= max(1, 5e-4 * Double(voxels)), "\(name) with \(Self.engine.name)")
      #expect(
        try Self.isWide(Path.join(folder("output"), name)) == Self.isWide(Path.join(golden.expectedFolder, name)))
    }
  }

  /// nnU-Net's ensembling turns the segmentation back by what it finds here.
  @Test func originalOrientationIsKeptForEnsembling() throws {
    let folder = try TemporaryFolder()
    var job = try GoldenModel("itk_reorient").job(in: folder, output: folder("output"))
    job.options.saveProbabilities = true
    #expect(try job.open().run(on: Self.engine) { _ in }.failures == [])
    let oblique = try PickleFile.read(Path.join(folder("output"), "oblique.pkl"))
    #expect(oblique["sitk_stuff"]?["original_orientation"]?.string == "LPS")
    let permuted = try PickleFile.read(Path.join(folder("output"), "permuted.pkl"))
    #expect(permuted["sitk_stuff"]?["original_orientation"]?.string == "IRP")
  }

  /// Whether labels are stored in 16 bits: nnU-Net decides by the largest label that occurs.
  private static func isWide(_ path: String) throws -> Bool {
    guard path.hasSuffix(".nii.gz") else { return false }
    let header = try Path.read(path).withUnsafeBytes { try Gzip.prefix($0, count: 348) }
    return header[70] == 0 && header[71] == 2  // NIfTI datatype 512, unsigned 16 bits, little-endian
  }
}
