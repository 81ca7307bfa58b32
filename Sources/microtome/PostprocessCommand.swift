import ArgumentParser
import Basics
import NNUNet

/// `microtome postprocess`
struct Postprocess: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "postprocess", abstract: "Finds out whether small components should be removed, and removes them.",
    subcommands: [DeterminePostprocessing.self, ApplyPostprocessing.self])
}

/// `microtome postprocess determine` and `nnUNetv2_determine_postprocessing`
struct DeterminePostprocessing: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "determine",
    abstract: "Decides by the references which labels are better reduced to their largest component.")

  @Option(name: .customShort("i"), help: "The folder with segmentations.")
  var input: String

  @Option(name: .customLong("ref", withSingleDash: true), help: "The folder with their references.")
  var references: String

  @OptionGroup var files: DescriptionFiles
  @OptionGroup var processes: ProcessesArgument

  @Flag(name: .customLong("remove_postprocessed"), help: "Do not keep the postprocessed segmentations.")
  var removesFiles = false

  func run() throws {
    Interruption.watch()
    let folder = try PostprocessingFolder(input, plans: files.plans, dataset: files.dataset)
    let decision = try folder.determine(
      references: references, keepsFiles: !removesFiles, progress: CaseProgress("measuring").report)
    for step in decision.postprocessing.steps {
      let labels = step.members.sorted().map(String.init).joined(separator: ", ")
      Console.print("keep the largest component of \(step.members.count > 1 ? "labels" : "label") \(labels)")
    }
    if decision.postprocessing.steps.isEmpty { Console.print("no postprocessing helps") }
    let (before, after) = (decision.before.foregroundDice, decision.after.foregroundDice)
    Console.print("Dice \(before.decimals(4)) before, \(after.decimals(4)) after")
    Console.print(Path.join(input, "postprocessing.pkl"))
  }
}

/// `microtome postprocess apply` and `nnUNetv2_apply_postprocessing`
struct ApplyPostprocessing: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Applies a postprocessing that was determined to a folder of segmentations.")

  @Option(name: .customShort("i"), help: "The folder with segmentations.")
  var input: String

  @Option(name: .customShort("o"), help: "The output folder.")
  var output: String

  @Option(name: .customLong("pp_pkl_file", withSingleDash: true), help: "The postprocessing.pkl.")
  var postprocessing: String

  @OptionGroup var files: DescriptionFiles
  @OptionGroup var processes: ProcessesArgument

  func run() throws {
    Interruption.watch()
    let steps = try Postprocessing.read(postprocessing)
    let folder = try PostprocessingFolder(input, plans: files.plans, dataset: files.dataset)
    let count = try folder.apply(steps, output: output, progress: CaseProgress("postprocessing").report)
    Console.print("\(count) case(s): \(output)")
  }
}

/// Where plans.json and dataset.json are, when they are not in the folder of the segmentations.
struct DescriptionFiles: ParsableArguments {
  @Option(name: .customLong("plans_json", withSingleDash: true), help: "The plans.json. (default: that of the folder)")
  var plans: String?

  @Option(
    name: .customLong("dataset_json", withSingleDash: true), help: "The dataset.json. (default: that of the folder)")
  var dataset: String?
}
