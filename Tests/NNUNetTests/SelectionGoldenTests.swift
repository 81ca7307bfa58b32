import Basics
import Checkpoints
import Evaluation
import Foundation
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import NNUNet

/// Evaluation and postprocessing of small folders, against the files that nnunetv2 made of them
/// (Resources/make_selection_goldens.py).
@Suite struct SelectionGoldenTests {
  static let names = ["labels_2", "regions_0", "regions_1", "ignore_4"]

  private func golden(_ name: String) -> String { Bundle.module.bundlePath + "/Resources/selection/" + name }

  /// A copy of a folder's segmentations, without what was made of them.
  private func copy(_ name: String, to folder: TemporaryFolder) throws -> String {
    let target = folder("pred")
    try Path.makeFolder(target)
    let source = golden(name) + "/pred"
    for file in try Path.list(source) where file.hasSuffix(".nii.gz") || ["plans.json", "dataset.json"].contains(file) {
      try AtomicFile.write(Path.read(Path.join(source, file)), to: Path.join(target, file))
    }
    return target
  }

  /// A document, without the folders of the files it names.
  private func document(_ path: String) throws -> JSON {
    func strip(_ json: JSON) -> JSON {
      switch json {
      case .array(let items): return .array(items.map(strip))
      case .object(let object):
        return .object(
          JSONObject(
            object.members.map { key, value in
              (key, key.hasSuffix("_file") ? .string(Path.split(value.string ?? "").name) : strip(value))
            }))
      default: return json
      }
    }
    return try strip(JSON.read(path))
  }

  /// Every figure to the last bit: means are summed in numpy's order.
  @Test(arguments: names) func summariesEqualTheReferences(name: String) throws {
    let folder = golden(name)
    let summary = try FolderEvaluation.evaluate(
      predictions: folder + "/pred", references: folder + "/ref", fileEnding: ".nii.gz", reader: .simpleITK,
      labels: EvaluatedLabels(dataset: DatasetDescription.read(folder + "/pred/dataset.json")), requiresAll: true)
    let place = try TemporaryFolder()
    try summary.write(to: place("summary.json"))
    let (ours, theirs) = (try document(place("summary.json")), try document(folder + "/pred/summary.json"))
    #expect(ours.text(indent: 4) == theirs.text(indent: 4))
    #expect(try SegmentationSummary.read(place("summary.json")).json.text() != "")
    let again = try SegmentationSummary.read(place("summary.json"))
    #expect(again.json.text(sortedKeys: true) == summary.json.text(sortedKeys: true))
  }

  @Test(arguments: names) func postprocessingIsDecidedAsByTheReference(name: String) throws {
    let place = try TemporaryFolder()
    let pred = try copy(name, to: place)
    let decision = try PostprocessingFolder(pred).determine(references: golden(name) + "/ref")
    let theirs = golden(name) + "/pred"
    for file in ["summary.json", "postprocessing.json", "postprocessed/summary.json"] {
      #expect(
        try document(Path.join(pred, file)).text(indent: 4) == document(Path.join(theirs, file)).text(indent: 4),
        "\(file)")
    }
    #expect(try Path.list(pred + "/postprocessed") == Path.list(theirs + "/postprocessed"))
    for file in try Path.list(pred + "/postprocessed") where file.hasSuffix(".nii.gz") {
      let ours = try ImageReader.simpleITK.readLabels(Path.join(pred, "postprocessed/\(file)")).labels
      let other = try ImageReader.simpleITK.readLabels(Path.join(theirs, "postprocessed/\(file)")).labels
      #expect(try ours.fractionDifferent(from: other) == 0, "\(file)")
    }
    #expect(try Postprocessing.read(theirs + "/postprocessing.pkl") == decision.postprocessing)
    #expect(try Postprocessing.read(pred + "/postprocessing.pkl") == decision.postprocessing)
    // Applied to the same folder, it gives the same again.
    try PostprocessingFolder(pred).apply(decision.postprocessing, output: place("applied"))
    for file in try Path.list(place("applied")) where file.hasSuffix(".nii.gz") {
      #expect(
        try Path.read(Path.join(place("applied"), file)) == Path.read(Path.join(pred, "postprocessed/\(file)")))
    }
  }

  @Test func onlyTheOneFunctionIsAccepted() throws {
    let place = try TemporaryFolder()
    let arguments = PickleValue.list([.dictionary(PickleDictionary([("labels_or_regions", .int(1))]))])
    for global in [
      PickleGlobal("nnunetv2.postprocessing.remove_connected_components", "load_postprocess_and_save"),
      PickleGlobal("somewhere.else", "remove_all_but_largest_component_from_segmentation"),
    ] {
      try PickleWriter.write(.tuple([.list([.global(global)]), arguments]), to: place("a.pkl"))
      #expect(throws: Failure.self) { try Postprocessing.read(place("a.pkl")) }
    }
  }

  @Test func referencesWithoutPredictionsAreToleratedOnRequestOnly() throws {
    let place = try TemporaryFolder()
    let pred = try copy("labels_2", to: place)
    Path.removeTree(pred + "/case_00.nii.gz")
    func evaluate(_ requiresAll: Bool) throws -> SegmentationSummary {
      try FolderEvaluation.evaluate(
        predictions: pred, references: golden("labels_2") + "/ref", fileEnding: ".nii.gz", reader: .simpleITK,
        labels: EvaluatedLabels(labels: [1, 2], ignore: nil), requiresAll: requiresAll)
    }
    #expect(throws: Failure.self) { try evaluate(true) }
    #expect(try evaluate(false).cases.count == 8)
  }
}
