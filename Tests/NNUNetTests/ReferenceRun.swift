import Basics
import Checkpoints
import Engines
import Evaluation
import ImageFormats
import Imaging
import TestSupport
import Testing

@testable import NNUNet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One prediction whose answer by the original tool is known.
struct ReferenceRun: Sendable, CustomTestStringConvertible {
  /// The folder with the original tool's answer, and the name in reports.
  let name: String
  /// Folders below `data/`.
  let model: String
  let images: String
  let answers: String
  var folds = ["0"]
  /// How many of the folder's images are predicted, by name.
  var cases = 2
  var options = PredictionOptions()

  var testDescription: String { name }

  private static let hippocampus = "Dataset004_Hippocampus/imagesTs"

  init(
    _ name: String, model: String, images: String = hippocampus, answers: String? = nil, folds: [String] = ["0"],
    cases: Int = 2, _ adjust: (inout PredictionOptions) -> Void = { _ in }
  ) {
    self.name = name
    self.model = model
    self.images = images
    self.answers = answers ?? "reference/\(name)"
    self.folds = folds
    self.cases = cases
    options.compile.precision = .fp32
    adjust(&options)
  }

  /// Predicts into `output` and returns the identifiers of the cases.
  func predict(on engine: any Engine, into output: String) throws -> [String] {
    let inputs = try TemporaryFolder()
    let names = try Path.list(ReferenceData.data(images)).sorted().prefix(cases)
    for name in names {
      #expect(symlink(Path.join(ReferenceData.data(images), name), inputs(name)) == 0)
    }
    let job = PredictionJob(
      input: inputs.path, outputFolder: output, modelFolder: ReferenceData.data(model), folds: folds,
      checkpoint: "checkpoint_final.pth", options: options)
    let summary = try job.open().run(on: engine) { _ in }
    #expect(summary.failures == [] && summary.finished == names.count)
    return names.compactMap { CaseList.identifier(of: $0, ending: ".nii.gz") }
  }

  /// The file of this name in the original tool's answer.
  func answer(_ name: String) -> String { Path.join(ReferenceData.data(answers), name) }
}
