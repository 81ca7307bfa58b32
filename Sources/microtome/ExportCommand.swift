import ArgumentParser
import Basics
import Engines
import NNUNet

/// `microtome export`
struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes a trained network as ONNX, for OpenVINO or for TensorRT, with all that running it takes.",
    discussion: """
      Plans, labels and mirror axes go into the ONNX file and into a JSON file beside it; 'microtome predict -m FILE.onnx' \
      needs nothing else. What was written is run in an engine and compared with the model in another one; nothing is \
      left behind when they differ.
      """)

  @Option(name: [.customShort("m"), .customLong("model_path")], help: "The model folder.")
  var model: String

  @Option(name: .customShort("o"), help: "The folder for the files; or, for one network, the file.")
  var output: String

  @Option(
    name: [.customShort("f"), .customLong("fold")], parsing: .upToNextOption,
    help: "The folds to export: numbers or 'all'. (default: those that are there)")
  var folds: [String] = []

  @Option(
    name: [.customLong("chk", withSingleDash: true), .customLong("checkpoint")],
    help: "The name of the checkpoint file in each fold's folder.")
  var checkpoint = "checkpoint_final.pth"

  @Option(
    help: """
      onnx; openvino for OpenVINO's .xml and .bin; tensorrt for an ONNX file that wraps what TensorRT makes of the network \
      for the graphics processor that is there. (default: what the ending of -o says, or onnx)
      """)
  var format: NetworkExport.Format?

  @Option(help: "TensorRT: fp32 or fp16. (default: fp16)")
  var precision = Precision.auto

  @Flag(help: "One file with the mean of all folds' logits, instead of one file for each fold.")
  var average = false

  @Option(help: "ONNX's operator set: 11 to 22.")
  var opset = 17

  @Option(help: "The number of patches of a pass. (default: left open)")
  var batch: Int?

  @Flag(name: .customLong("open-sizes"), help: "Leave the patch's size open too.")
  var hasOpenSizes = false

  @Flag(name: .customLong("int8"), help: "Compute most convolutions in eight bits; needs --calibration.")
  var isQuantized = false

  @Option(help: "A folder with a few typical images, from which the ranges of eight-bit values are taken.")
  var calibration: String?

  @Option(
    name: .customLong("calibration-patches"), help: "How many patches of these images are looked at. (default: 32)")
  var calibrationPatches: Int?

  @Option(
    name: .customLong("calibration-rule"),
    help: "extremes, or the part of all values that ranges must cover. (default: 0.9999)")
  var rule: String?

  @Flag(
    name: .customLong("exact-results"),
    help: "Eight bits: do not round results of convolutions. ONNX Runtime then computes in single precision.")
  var keepsResults = false

  @OptionGroup var check: ExportCheckArguments

  func validate() throws {
    guard calibrationPatches ?? 1 >= 1 else { throw ValidationError("--calibration-patches must be at least 1") }
    guard isQuantized == (calibration != nil) else {
      throw ValidationError("--int8 and --calibration belong together")
    }
    guard isQuantized || (rule == nil && calibrationPatches == nil && !keepsResults) else {
      throw ValidationError("--calibration-rule, --calibration-patches and --exact-results are for --int8")
    }
  }

  func run() throws {
    Interruption.watch()
    let format = try chosenFormat()
    var export = NetworkExport()
    export.format = format
    export.precision = precision
    export.operatorSet = opset
    export.batch = batch
    export.hasOpenSizes = hasOpenSizes
    export.averagesFolds = average
    let available = TrainedModel.availableFolds(folder: model, checkpoint: checkpoint)
    let model = try TrainedModel.load(
      folder: self.model, folds: folds.isEmpty ? (available.isEmpty ? ["0"] : available) : folds, checkpoint: checkpoint
    )
    if let calibration {
      export.calibration = try makeCalibration()
      export.calibrationPatches = try PatchSource(model: model)
        .patches(of: calibration, limit: calibrationPatches ?? 32, previousStage: check.previousStage)
    }
    export.check = try check.make(
      model, format: format, images: check.images ?? calibration, isNeeded: isQuantized || format == .tensorrt)
    let suffix = format == .openvino ? ".xml" : ".onnx"
    let isFile = output.hasSuffix(suffix)
    let (folder, name) = isFile ? Path.split(output) : (output, "")
    let stem =
      isFile ? String(name.dropLast(suffix.count)) : "\(model.plans.datasetName)_\(model.configuration.name)"
    let results = try export.run(
      model, to: folder.isEmpty ? "." : folder, stem: isFile ? stem : stem + kind, isExactName: isFile)
    for result in results { ExportCheckArguments.describe(result, export) }
  }

  /// Keeps files of several kinds apart.
  private var kind: String { isQuantized ? "_int8" : format == .tensorrt ? "_tensorrt" : "" }

  /// The format asked for, or that which the name of the file says.
  private func chosenFormat() throws -> NetworkExport.Format {
    let isXML = output.hasSuffix(".xml")
    let format = self.format ?? (isXML ? .openvino : .onnx)
    guard format == .openvino ? !output.hasSuffix(".onnx") : !isXML else {
      throw Failure(
        .usage, "is no name for a file in the format \(format.rawValue)", file: output,
        hint: "end it in \(format == .openvino ? ".xml" : ".onnx"), or leave out --format")
    }
    return format
  }

  private func makeCalibration() throws -> Calibration {
    var calibration = Calibration()
    calibration.roundsResults = !keepsResults
    if rule == "extremes" {
      calibration.rule = .extremes
    } else if let rule {
      guard let share = Double(rule), share > 0.5, share <= 1 else {
        throw Failure(
          .usage, "--calibration-rule is \(rule)", hint: "it is 'extremes' or a number up to 1, such as 0.9999")
      }
      calibration.rule = share == 1 ? .extremes : .share(share)
    }
    return calibration
  }
}
