import ArgumentParser
import Basics
import NNUNet

/// `microtome move-plans` and `nnUNetv2_move_plans_between_datasets`
struct MovePlansCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "move-plans",
    abstract: "Gives the plans of one dataset to another, for pretraining on the one and training on the other.")

  @Option(name: .customShort("s"), help: "The dataset that has the plans.") var source: String
  @Option(name: .customShort("t"), help: "The dataset that gets them.") var target: String
  @Option(name: .customLong("sp", withSingleDash: true), help: "The name of the plans.") var plans: String
  @Option(
    name: .customLong("tp", withSingleDash: true), help: "Their name in the target dataset. (default: the same)")
  var newName: String?

  func run() throws {
    let roots = DatasetRoots { Environment[$0] }
    let preprocessed = try roots.preprocessed()
    let name = try roots.dataset(target)
    let reader = try RawDataset(path: Path.join(roots.raw(), name)) { Environment[$0] }.reader()
    let path = try PlansFile.move(
      plans, from: Path.join(preprocessed, roots.dataset(source)), to: Path.join(preprocessed, name),
      as: newName ?? plans, reader: reader)
    Console.print("plans: \(path)")
  }
}
