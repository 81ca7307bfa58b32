import ArgumentParser
import Basics
import NNUNet

/// `microtome accumulate` and `nnUNetv2_accumulate_crossval_results`
struct Accumulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accumulate",
    abstract: "Gathers the validation results of a model's folds in one folder and evaluates them together.")

  @Argument(help: "The dataset's name or number.")
  var dataset: String

  @Option(name: .customShort("c"), help: "The configuration: 2d, 3d_fullres, ...")
  var configuration: String

  @Option(name: .customShort("o"), help: "The output folder. (default: crossval_results_folds_... of the model)")
  var output: String?

  @OptionGroup var folds: FoldsArgument
  @OptionGroup var trained: TrainedModelArguments

  func run() throws {
    Interruption.watch()
    let folders = try DatasetFolders(dataset) { Environment[$0] }
    if let output, Path.isFolder(output), try !Path.list(output).isEmpty {
      throw Failure(.cannotWrite, "is not empty", file: output, hint: "choose a new folder with -o, or empty this one")
    }
    let results = CrossValidationResults(
      model: try trained.folder(dataset, configuration), folds: folds.chosen, output: output)
    let summary = try results.accumulate(
      references: folders.labelsToJudgeBy(), progress: CaseProgress("evaluating").report)
    Console.print("Dice \(summary.foregroundDice.decimals(4))  mean of \(summary.cases.count) cases, \(results.output)")
  }
}

/// The folds of a cross-validation.
struct FoldsArgument: ParsableArguments {
  @Option(name: .customShort("f"), parsing: .upToNextOption, help: "The folds. (default: 0 1 2 3 4)")
  var folds: [Int] = []

  var chosen: [String] { (folds.isEmpty ? Array(0...4) : folds.uniqued).map(String.init) }
}
