import ArgumentParser
import Basics
import Engines
import NNUNet

/// How an export is checked.
struct ExportCheckArguments: ParsableArguments {
  @Option(
    help: """
      Images to check the export with: a folder or one image. (default: the calibration's, or those of the dataset in \
      nnUNet_raw, or noise)
      """)
  var images: String?

  @Option(
    name: .customLong("prev_stage_predictions", withSingleDash: true),
    help: "Cascades: the folder with the previous stage's segmentations of these images.")
  var previousStage: String?

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
    let (runner, judge) = try engines(for: format, isNeeded: isNeeded)
    let (patches, source) = try inputs(of: model, images: images)
    var check = NetworkExport.Check(engine: runner, judge: judge, patches: patches, source: source)
    check.tolerance = isUnchecked ? .infinity : tolerance
    if isUnchecked { check.agreement = 0 }
    return check
  }

  /// The engine that runs the file, and another one to compare it with.
  private func engines(
    for format: NetworkExport.Format, isNeeded: Bool
  ) throws -> (runner: any ModelFileEngine, judge: any Engine) {
    let registry = EngineRegistry()
    let runners: [NetworkExport.Format: [String]] = [
      .onnx: ["onnxruntime", "openvino"], .openvino: ["openvino"], .tensorrt: ["onnxruntime"],
    ]
    var reason: Failure?
    for name in engine.map({ [$0] }) ?? runners[format] ?? [] {
      do {
        guard let runner = try registry.engine(named: name) as? any ModelFileEngine else {
          throw Failure(.engine, "\(name) does not run files", hint: "choose onnxruntime or openvino")
        }
        let judges = ["openvino", "onnxruntime"].filter { $0 != name }
        return (runner, try judges.lazy.compactMap { try? registry.engine(named: $0) }.first ?? registry.engine())
      } catch let failure as Failure {
        reason = reason ?? failure
      }
    }
    guard var failure = reason else { throw Failure(.engine, "no engine runs files in the format \(format.rawValue)") }
    if failure.kind == .engine, !isNeeded {
      failure.hint = [failure.hint, "or leave out the check with --no-check"].compactMap(\.self).joined(separator: "; ")
    }
    throw failure
  }

  /// Patches, and what they are of.
  private func inputs(of model: TrainedModel, images: String?) throws -> (patches: [[Float]], source: String) {
    let source = PatchSource(model: model)
    if let images { return (try source.patches(of: images, limit: 2, previousStage: previousStage), images) }
    guard previousStage == nil else {
      throw Failure(
        .usage, "-prev_stage_predictions goes with the images that it is of", hint: "name them with --images")
    }
    if model.configuration.previousStage == nil, let raw = Environment["nnUNet_raw"] {
      let folder = Path.join(Path.join(raw, model.plans.datasetName), "imagesTr")
      // Nobody asked for these images: if they cannot be read, noise does.
      if Path.isFolder(folder), let patches = try? source.patches(of: folder, limit: 2) { return (patches, folder) }
    }
    return (source.noise(count: 1), "noise")
  }

  /// Tells the user what was written and how well it answers.
  static func describe(_ result: NetworkExport.Result, _ export: NetworkExport) {
    var line = "\(result.path): \(result.byteCount >> 10) KiB"
    if let check = export.check, let difference = result.difference {
      let share = result.agreement.map { "foreground Dice \($0)" } ?? "no foreground found"
      line += ", in \(check.engine.name) within \(difference) of the largest logit of \(check.judge.name)"
      line +=
        result.isExact ? " (\(check.tolerance) is allowed), \(share)" : ", \(share) (\(check.agreement) is asked for)"
      line += "; compared on \(check.patches.count) patch(es) of \(check.source)"
    } else {
      line += ", not checked"
    }
    Console.print(line)
  }
}

extension NetworkExport.Format: ExpressibleByArgument {}
