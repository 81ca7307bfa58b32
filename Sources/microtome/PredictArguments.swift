import ArgumentParser
import Basics
import NNUNet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The options that `nnUNetv2_predict`, `nnUNetv2_predict_from_modelfolder` and `microtome predict` share.
struct PredictArguments: ParsableArguments {
  @Option(name: .customShort("i"), help: "A folder of images named CASE_0000.EXT, CASE_0001.EXT, ..., or one image.")
  var input: String

  @Option(name: .customShort("o"), help: "The folder for the segmentations. It is created if need be.")
  var output: String

  @Option(
    name: [.customShort("f"), .customLong("fold")], parsing: .upToNextOption,
    help: "The folds to average: numbers or 'all'. (default: 0 1 2 3 4)")
  var folds: [String] = []

  @Option(
    name: .customLong("step_size", withSingleDash: true),
    help: "The distance between patches as a fraction of the patch, at most 1.")
  var step = 0.5

  @Flag(name: .customLong("disable_tta"), help: "No averaging over mirrored images: several times faster, less exact.")
  var disableMirroring = false

  @Flag(
    name: [.customLong("save_probabilities"), .customLong("use_softmax")],
    help: "Also write CASE.npz and CASE.pkl, which nnU-Net's ensembling reads.")
  var saveProbabilities = false

  @Flag(name: [.customLong("continue_prediction"), .customLong("c")], help: "Leave out cases whose output exists.")
  var continues = false

  @Option(
    name: [.customLong("chk", withSingleDash: true), .customLong("checkpoint")],
    help: "The name of the checkpoint file in each fold's folder.")
  var checkpoint = "checkpoint_final.pth"

  @Option(
    name: .customLong("prev_stage_predictions", withSingleDash: true),
    help: "Cascades: the folder with the previous stage's segmentations. Without it that stage is run first.")
  var previousStage: String?

  @Option(
    name: [.customLong("device", withSingleDash: true), .customLong("device")],
    help: "cpu, gpu, or a device that 'microtome engines' lists. (default: cpu)")
  var device: String?

  @Flag(name: .customLong("verbose"), help: "Say more.")
  var verbose = false

  @Flag(name: .customLong("disable_progress_bar"), help: "No progress line.")
  var hidesProgress = false

  @Option(
    name: .customLong("npp", withSingleDash: true), help: "Accepted for nnU-Net's sake: threads are managed here.")
  var preprocessingProcesses = Int(Environment["nnUNet_npp"] ?? "") ?? 3

  @Option(
    name: .customLong("nps", withSingleDash: true), help: "Accepted for nnU-Net's sake: threads are managed here.")
  var exportProcesses = Int(Environment["nnUNet_nps"] ?? "") ?? 3

  @Flag(name: .customLong("not_on_device"), help: "Accepted for nnU-Net's sake: memory is bounded here anyway.")
  var notOnDevice = false

  @OptionGroup var engine: EngineArguments

  func validate() throws {
    // A thousandth of a patch is less than a voxel; nothing lies between two such steps.
    guard step >= 0.001, step <= 1 else {
      throw ValidationError("-step_size is \(step); it must be at least 0.001 and at most 1")
    }
  }

  /// The folds asked for; by default those nnU-Net takes.
  var chosenFolds: [String] { folds.isEmpty ? (0...4).map(String.init) : folds }

  /// The device asked for; by default the processor.
  var chosenDevice: String { device ?? "cpu" }

  /// The run's options; `parts` are those of a divided run.
  func options(partCount: Int, part: Int) -> PredictionOptions {
    var options = PredictionOptions()
    options.step = step
    options.mirroring = !disableMirroring
    options.saveProbabilities = saveProbabilities
    options.continues = continues
    options.previousStageFolder = previousStage
    options.compile = engine.compileOptions(device: chosenDevice.uppercased())
    options.record.partCount = partCount
    options.record.part = part
    options.record.preprocessingProcesses = preprocessingProcesses
    options.record.exportProcesses = exportProcesses
    return options
  }
}

/// The environment's variables by name.
enum Environment {
  static subscript(name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
