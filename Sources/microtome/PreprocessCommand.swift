import ArgumentParser
import Basics

/// `microtome preprocess` and `nnUNetv2_preprocess`
struct PreprocessCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "preprocess", abstract: "Preprocesses a dataset for training, as its plans say.")

  @OptionGroup var dataset: DatasetArguments
  @Option(
    name: [.customLong("plans_name", withSingleDash: true), .customShort("p")],
    help: "The plans.")
  var plans = "nnUNetPlans"
  @OptionGroup var preprocessing: PreprocessingArguments
  @OptionGroup var reading: ReadingArguments

  func run() throws {
    Interruption.watch()
    reading.warnAboutUnknown()
    for name in dataset.datasets {
      try PlanningSession(name, reading: reading).preprocess(plans: plans, preprocessing)
    }
  }
}
