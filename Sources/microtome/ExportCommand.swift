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
      for the graphics processor that is there.
      """)
  var format = NetworkExport.Format.onnx

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

  @Option(name: .customLong("calibration-patches"), help: "How many patches of these images are looked at.")
  var calibrationPatches = 32

  @Option(
    name: .customLong("calibration-rule"),
    help: "extremes, or the part of all values that ranges must cover.")
  var rule = "0.9999"

  @Flag(
    name: .customLong("exact-results"),
    help: "Eight bits: do not round results of convolutions. ONNX Runtime then computes in single precision.")
  var keepsResults = false

  @OptionGroup var check: ExportCheckArguments

  func validate() throws {
    guard calibrationPatches >= 1 else { throw ValidationError("--calibration-patches must be at least 1") }
    guard isQuantized == (calibration != nil) else {
      throw ValidationError("--int8 and --calibration belong together")
    }
  }

  func run() throws {
    Interruption.watch()
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
      export.calibrationPatches = try PatchSource(model: model).patches(of: calibration, limit: calibrationPatches)
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

  private func makeCalibration() throws -> Calibration {
    var calibration = Calibration()
    calibration.roundsResults = !keepsResults
    if rule == "extremes" {
      calibration.rule = .extremes
    } else {
      guard let share = Double(rule), share > 0.5, share <= 1 else {
        throw Failure(
          .usage, "--calibration-rule is \(rule)", hint: "it is 'extremes' or a number up to 1, such as 0.9999")
      }
      calibration.rule = share == 1 ? .extremes : .share(share)
    }
    return calibration
  }
}

/// How an export is checked.
struct ExportCheckArguments: ParsableArguments {
  @Option(help: "Images to check the export with: a folder or one image. (default: the calibration's, or noise)")
  var images: String?

  @Option(help: "The largest difference to accept, in parts of the largest logit.")
  var tolerance: Float = 1e-3

  @Flag(name: .customLong("no-check"), help: "Do not run what was written.")
  var isUnchecked = false

  @Option(help: "The engine that runs what was written; 'microtome engines' lists them.")
  var engine: String?

  init() {}

  /// The engines that take part and the patches; nil when nothing is to be checked.
  ///
  /// - Parameter isNeeded: whether an engine is needed for more than the check.
  func make(
    _ model: TrainedModel, format: NetworkExport.Format, images: String?, isNeeded: Bool
  ) throws -> NetworkExport.Check? {
    guard !isUnchecked || isNeeded else { return nil }
    let registry = EngineRegistry()
    let runners: [NetworkExport.Format: [String]] = [
      .onnx: ["onnxruntime", "openvino"], .openvino: ["openvino"], .tensorrt: ["onnxruntime"],
    ]
    let wanted = engine.map { [$0] } ?? runners[format] ?? []
    var reason: (any Error)?
    for name in wanted {
      do {
        guard let runner = try registry.engine(named: name) as? any ModelFileEngine else {
          throw Failure(.engine, "\(name) does not run files", hint: "choose onnxruntime or openvino")
        }
        // Another engine than the one that runs the file.
        let judges = ["openvino", "onnxruntime"].filter { $0 != name }
        let judge = try judges.lazy.compactMap { try? registry.engine(named: $0) }.first ?? registry.engine()
        let source = PatchSource(model: model)
        let patches = try images.map { try source.patches(of: $0, limit: 2) } ?? source.noise(count: 1)
        var check = NetworkExport.Check(engine: runner, judge: judge, patches: patches)
        check.tolerance = isUnchecked ? .infinity : tolerance
        if isUnchecked { check.agreement = 0 }
        return check
      } catch {
        if reason == nil { reason = error }
      }
    }
    guard let failure = reason as? Failure else { return nil }
    throw failure.kind != .engine
      ? failure
      : Failure(
        .engine, failure.message, file: failure.file,
        hint: [failure.hint, isNeeded ? nil : "or leave out the check with --no-check"].compactMap(\.self)
          .joined(separator: "; "))
  }

  static func describe(_ result: NetworkExport.Result, _ export: NetworkExport) {
    var line = "\(result.path): \(result.byteCount >> 10) KiB"
    if let check = export.check, let difference = result.difference, let agreement = result.agreement {
      line += ", in \(check.engine.name) within \(difference) of the largest logit of \(check.judge.name), "
      line += "\(agreement * 100) % of voxels with the same class"
    } else {
      line += ", not checked"
    }
    Console.print(line)
  }
}

extension NetworkExport.Format: ExpressibleByArgument {}
