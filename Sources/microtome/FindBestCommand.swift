import ArgumentParser
import Basics
import NNUNet

/// `microtome find-best-configuration` and `nnUNetv2_find_best_configuration`
struct FindBestConfiguration: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "find-best-configuration",
    abstract: "Compares trained models and pairs of them by cross-validation, and says how to predict with the best.")

  @Argument(help: "The dataset's name or number.")
  var dataset: String

  @Option(name: .customShort("p"), parsing: .upToNextOption, help: "Plans. (default: nnUNetPlans)")
  var plans: [String] = []

  @Option(
    name: .customShort("c"), parsing: .upToNextOption,
    help: "Configurations. (default: 2d 3d_fullres 3d_lowres 3d_cascade_fullres)")
  var configurations: [String] = []

  @Option(
    name: .customLong("tr", withSingleDash: true), parsing: .upToNextOption, help: "Trainers. (default: nnUNetTrainer)")
  var trainers: [String] = []

  @OptionGroup var folds: FoldsArgument
  @OptionGroup var processes: ProcessesArgument

  @Flag(name: .customLong("disable_ensembling"), help: "Do not try pairs of models.")
  var disablesEnsembling = false

  @Flag(name: .customLong("no_overwrite"), help: "Keep results that are there already.")
  var keepsResults = false

  func run() throws {
    Interruption.watch()
    var search = BestConfiguration(
      folders: try DatasetFolders(dataset) { Environment[$0] }, folds: folds.chosen)
    search.triesEnsembles = !disablesEnsembling
    search.isForced = !keepsResults
    search.processes = processes.count
    let result = try search.run(models) { event in
      switch event {
      case .note(let text): Console.print("note: \(text)")
      case .scored(let candidate): Console.print("Dice \(candidate.score.decimals(4))  \(candidate.name)")
      case .determiningPostprocessing(let best): Console.print("best: \(best.name)")
      }
    }
    let decision = result.decision
    Console.print(
      decision.postprocessing.steps.isEmpty
        ? "postprocessing: none helps"
        : "postprocessing: \(decision.postprocessing.steps.count) step(s), Dice "
          + "\(decision.before.foregroundDice.decimals(4)) -> \(decision.after.foregroundDice.decimals(4))")
    Console.print("")
    Console.print(result.instructions)
  }

  /// In nnU-Net's order of nesting.
  private var models: [ModelIdentifier] {
    func chosen(_ given: [String], _ defaults: [String]) -> [String] { given.isEmpty ? defaults : given }
    var all: [ModelIdentifier] = []
    for trainer in chosen(trainers, ["nnUNetTrainer"]) {
      for configuration in chosen(configurations, ["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"]) {
        for plan in chosen(plans, ["nnUNetPlans"]) {
          all.append(ModelIdentifier(trainer: trainer, plans: plan, configuration: configuration))
        }
      }
    }
    return all
  }
}
