import Basics
import Checkpoints
import Networks
import TestSupport
import Testing

@testable import NNUNet

/// Students of FastnnUNet: narrow networks whose checkpoints lie beside the plans of the whole one.
@Suite struct StudentTests {
  private let folder: TemporaryFolder
  private let job: PredictionJob

  init() throws {
    folder = try TemporaryFolder()
    job = try GoldenModel("float_ct").job(in: folder, output: folder("out"))
  }

  private var path: String { Path.join(job.modelFolder, "fold_0/checkpoint_final.pth") }

  /// Replaces the checkpoint by that of a student with constant weights.
  ///
  /// - Parameter features: of the whole network, instead of those that its plans have.
  private func writeStudent(reduction: Int, leavingOut missing: String? = nil, features: [Int]? = nil) throws {
    let whole = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    var description = try UNetConfiguration(
      architecture: #require(whole.configuration.json["architecture"]), inputChannels: whole.inputChannelCount,
      outputChannels: whole.dataset.labels.outputCount)
    if let features {
      let plans = Path.join(job.modelFolder, "plans.json")
      let text = String(decoding: try Path.read(plans), as: UTF8.self)
      let numbers = features.map(String.init).joined(separator: ",")
      try AtomicFile.write(
        Array(text.replacing(#""features_per_stage":[4,8]"#, with: #""features_per_stage":[\#(numbers)]"#).utf8),
        to: plans)
      description.features = features
    }
    let graph = try description.narrowed(by: reduction, blocks: .keep).makeGraph()
    let weights = try graph.parameters.filter { $0.name != missing }.map { parameter in
      (
        "network.\(parameter.name)",
        PickleValue.tensor(
          try Tensor(floats: [Float](repeating: 0.1, count: parameter.count), shape: parameter.shape))
      )
    }
    let arguments: [(String, PickleValue)] = [
      ("configuration", .string(whole.configuration.name)), ("feature_reduction_factor", .int(reduction)),
      ("block_reduction_strategy", .string("keep")),
    ]
    try TorchFileWriter.write(
      .dictionary(
        PickleDictionary([
          ("network_weights", .dictionary(PickleDictionary(weights))),
          ("init_args", .dictionary(PickleDictionary(arguments))),
          ("trainer_name", .string("nnUNetDistillationTrainer")), ("inference_allowed_mirroring_axes", .none),
        ])), to: path)
  }

  @Test func areReadAsTheyWereNarrowed() throws {
    try writeStudent(reduction: 2)
    let student = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    let first = student.networks[0].graph.parameters[0]
    // No stage gets fewer than 8 channels.
    #expect(first.name == "encoder.stages.0.0.convs.0.conv.weight" && first.shape[0] == 8)
    let record = try StudentRecord.read(folder: job.modelFolder, fold: "0", checkpoint: job.checkpoint)
    try record.require(reduction: 2, strategy: "keep")
    #expect(#expect(throws: Failure.self) { try record.require(reduction: 4, strategy: nil) }?.hint == "give -r 2")
    #expect(throws: Failure.self) { try record.require(reduction: 2, strategy: "reduce") }
  }

  /// A first stage that is as narrow in the plans tells nothing about the others.
  @Test func areRecognisedByAnyStage() throws {
    try writeStudent(reduction: 2, features: [8, 18])
    let student = try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    let widths = student.networks[0].graph.parameters.filter { $0.name.hasPrefix("encoder.") && $0.shape.count == 5 }
    #expect(widths.map { $0.shape[0] } == [8, 9])
  }

  /// A missing weight is an error, never a partial load.
  @Test func mustBeComplete() throws {
    let name = "decoder.seg_layers.0.bias"
    try writeStudent(reduction: 2, leavingOut: name)
    let failure = #expect(throws: Failure.self) {
      try TrainedModel.load(folder: job.modelFolder, folds: ["0"], checkpoint: job.checkpoint)
    }
    #expect(failure?.kind == .badInput && failure?.message.contains(name) == true)
  }

  @Test func othersAreNoStudents() throws {
    let failure = #expect(throws: Failure.self) {
      try StudentRecord.read(folder: job.modelFolder, fold: "0", checkpoint: job.checkpoint)
    }
    #expect(failure?.kind == .badInput)
  }
}
