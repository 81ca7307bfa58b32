import ArgumentParser
import Basics

/// `microtome plan` and `nnUNetv2_plan_experiment`
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Plans spacings, patch and batch sizes and networks for a dataset.",
    discussion: "The dataset's fingerprint is extracted first if there is none.")

  @OptionGroup var dataset: DatasetArguments
  @OptionGroup var planner: PlannerArguments
  @OptionGroup var reading: ReadingArguments

  func run() throws {
    Interruption.watch()
    reading.warnAboutUnknown()
    for name in dataset.datasets {
      let session = try PlanningSession(name, reading: reading)
      _ = try session.plan(session.fingerprint(FingerprintArguments.parse([]), limit: nil), planner)
    }
  }
}
