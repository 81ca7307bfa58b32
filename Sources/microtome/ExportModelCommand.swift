import ArgumentParser
import Basics
import NNUNet

/// `microtome export-model` and `nnUNetv2_export_model_to_zip`
struct ExportModel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export-model", abstract: "Packs trained models of a dataset into a ZIP archive for others.")

  @Option(name: .customShort("d"), help: "The dataset's name or number.")
  var dataset: String

  @Option(name: .customShort("o"), help: "The archive to write.")
  var output: String

  @Option(
    name: .customShort("c"), parsing: .upToNextOption,
    help: "Configurations. (default: 3d_lowres 3d_fullres 2d 3d_cascade_fullres)")
  var configurations: [String] = []

  @OptionGroup var trained: TrainedModelArguments

  @Option(name: .customShort("f"), parsing: .upToNextOption, help: "Folds, or 'all'. (default: 0 1 2 3 4)")
  var folds: [String] = []

  @Option(
    name: .customLong("chk", withSingleDash: true), parsing: .upToNextOption,
    help: "Checkpoints. (default: checkpoint_final.pth)")
  var checkpoints: [String] = []

  @Flag(name: .customLong("not_strict"), help: "Leave out models, folds and checkpoints that are missing.")
  var toleratesMissing = false

  @Flag(name: .customLong("exp_cv_preds"), help: "Include the segmentations of the validation cases.")
  var includesPredictions = false

  func run() throws {
    Interruption.watch()
    let all = ["3d_lowres", "3d_fullres", "2d", "3d_cascade_fullres"]
    let models = (configurations.isEmpty ? all : configurations).map {
      ModelIdentifier(trainer: trained.trainer, plans: trained.plans, configuration: $0)
    }
    var export = ModelExport(
      folders: try DatasetFolders(dataset) { Environment[$0] }, models: models,
      folds: folds.isEmpty ? (0...4).map(String.init) : folds.uniqued,
      checkpoints: checkpoints.isEmpty ? ["checkpoint_final.pth"] : checkpoints)
    export.toleratesMissing = toleratesMissing
    export.includesPredictions = includesPredictions
    let names = try export.write(to: output)
    Console.print("\(names.count) files: \(output)")
  }
}
