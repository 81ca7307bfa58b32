import ArgumentParser
import Basics
import NNUNet

/// `nnUNetv2_distillation_export_onnx` and `nnUNetv2_resenc_distillation_export_onnx`, FastnnUNet's exporters. Differently
/// from these, a weight that is missing is an error, and so is a difference between the file and the model.
struct DistillationExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNetv2_distillation_export_onnx", abstract: "Writes a distilled student as ONNX.")

  @Option(name: [.customShort("d"), .customLong("dataset_id")], help: "The dataset's name or number.")
  var dataset: String

  @Option(name: [.customShort("c"), .customLong("configuration")], help: "The configuration.")
  var configuration = "3d_fullres"

  @Option(name: [.customShort("f"), .customLong("fold")], help: "The student's fold.")
  var fold = "0"

  @Option(name: [.customShort("r"), .customLong("reduction_factor")], help: "The channel divisor of the training.")
  var reduction = 2

  @Option(name: [.customLong("cp", withSingleDash: true), .customLong("checkpoint")], help: "The checkpoint's name.")
  var checkpoint = "checkpoint_final.pth"

  @Option(
    name: [.customShort("o"), .customLong("output"), .customLong("output_dir")],
    help: "The file or folder to write. (default: exported_models in the fold's folder)")
  var output: String?

  @Option(
    name: [.customLong("d_device", withSingleDash: true), .customLong("device")],
    help: "Accepted for FastnnUNet's sake.")
  var device: String?

  @Flag(
    name: [.customLong("da", withSingleDash: true), .customLong("dynamic_axes")],
    help: "Fix all sizes, as FastnnUNet's flag does.")
  var fixesAxes = false

  @Option(
    name: [.customLong("is", withSingleDash: true), .customLong("input_shape")], parsing: .upToNextOption,
    help: "Five sizes: batch, channels, and the patch, which must be the model's.")
  var inputShape: [Int] = []

  @Flag(
    name: [.customLong("nn", withSingleDash: true), .customLong("nnunet_format")],
    help: "The patch's size fixed, the batch open.")
  var nnunetFormat = false

  @Option(name: [.customShort("b"), .customLong("batch_size")], help: "The batch; 0 leaves it open.")
  var batch = 0

  @Option(name: [.customShort("p"), .customLong("plans")], help: "Accepted for FastnnUNet's sake; see -spl.")
  var plans = "nnUNetPlans"

  @Option(name: [.customLong("spl", withSingleDash: true), .customLong("student_plans")], help: "The student's plans.")
  var studentPlans = "nnUNetPlans"

  @Option(
    name: [.customLong("bs", withSingleDash: true), .customLong("block_strategy")],
    help: "The block strategy of the training: reduce, keep, increase or adaptive.")
  var strategy: String?

  @Flag(
    name: [.customLong("fix", withSingleDash: true), .customLong("fix_instancenorm")],
    help: "Accepted: normalisations are always complete.")
  var fixesNormalization = false

  @Flag(
    name: [.customLong("sim", withSingleDash: true), .customLong("simplify")],
    help: "Accepted: nothing is left to simplify.")
  var simplifies = false

  @Flag(name: [.customShort("v"), .customLong("verbose")], help: "Say more.")
  var verbose = false

  @Flag(
    name: [.customLong("da5", withSingleDash: true), .customLong("use_da5")],
    help: "The student was trained with DA5 augmentation.")
  var usesDA5 = false

  @OptionGroup var check: ExportCheckArguments

  /// Whether the program was started as the exporter for residual encoders, which names files in another way.
  private var isResidual: Bool {
    Path.split(CommandLine.arguments.first ?? "").name == "nnUNetv2_resenc_distillation_export_onnx"
  }

  func run() throws {
    Interruption.watch()
    let trainer = "nnUNetDistillationTrainer" + (usesDA5 ? "DA5" : "")
    let folder = try ResultsFolder { Environment[$0] }
      .modelFolder(dataset: dataset, trainer: trainer, plans: studentPlans, configuration: configuration)
    let model = try TrainedModel.load(folder: folder, folds: [fold], checkpoint: checkpoint)
    let student = try StudentRecord.read(folder: folder, fold: fold, checkpoint: checkpoint)
    try student.require(reduction: reduction, strategy: strategy ?? (isResidual ? "keep" : nil))
    var export = NetworkExport()
    export.operatorSet = isResidual ? 11 : 17
    try setShape(of: &export, model)
    export.check = try check.make(model, format: .onnx, images: check.images, isNeeded: false)
    let parts = Path.split(output ?? "")
    let isFile = parts.name.hasSuffix(".onnx")
    guard !parts.name.hasSuffix(".xml") else {
      throw Failure(
        .usage, "is no name for an ONNX file", file: output,
        hint: "end it in .onnx; OpenVINO's files are written by microtome export")
    }
    let target =
      isFile
      ? (parts.folder.isEmpty ? "." : parts.folder)
      : output ?? Path.join(Path.join(folder, "fold_\(fold)"), "exported_models")
    let results = try export.run(
      model, to: target, stem: isFile ? String(parts.name.dropLast(".onnx".count)) : stem(model), isExactName: true)
    for result in results { ExportCheckArguments.describe(result, export) }
  }

  private func setShape(of export: inout NetworkExport, _ model: TrainedModel) throws {
    if isResidual {
      export.batch = batch > 0 ? batch : nil
      return
    }
    guard !nnunetFormat || batch <= 0 else {
      throw Failure(.usage, "-nn leaves the batch open, and -b \(batch) fixes it", hint: "leave out one of them")
    }
    export.hasOpenSizes = !fixesAxes && !nnunetFormat
    export.batch = batch > 0 ? batch : fixesAxes && !nnunetFormat ? 1 : nil
    guard !inputShape.isEmpty else { return }
    let patch = model.configuration.patchSize
    guard inputShape.count == 5, Array(inputShape.dropFirst(2)) == patch, inputShape[1] == model.inputChannelCount,
      inputShape[0] >= 1
    else {
      throw Failure(
        .usage, "the input shape \(inputShape) is not that of the model",
        hint: "it takes batch \(model.inputChannelCount) \(patch.map(String.init).joined(separator: " "))")
    }
    guard batch <= 0 || batch == inputShape[0] else {
      throw Failure(.usage, "-b asks for a batch of \(batch), -is for one of \(inputShape[0])", hint: "leave out -b")
    }
    if fixesAxes { export.batch = inputShape[0] }
  }

  private func stem(_ model: TrainedModel) -> String {
    let da5 = usesDA5 ? "_da5" : ""
    guard isResidual else {
      return "model_fold\(fold)_\(reduction)x\(da5)" + (nnunetFormat ? "_nnunet_format" : "")
    }
    let family = studentPlans.contains("ResEnc") ? "resenc" : "unet"
    return "\(family)\(da5)_distillation_fold\(fold)_\(batch > 0 ? "batch\(batch)" : "dynamic")_r\(reduction)"
  }
}
