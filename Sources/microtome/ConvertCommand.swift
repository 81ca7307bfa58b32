import ArgumentParser
import Basics
import NNUNet

/// `microtome convert`
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Brings datasets of other layouts to nnU-Net v2's.",
    subcommands: [ConvertDecathlon.self, ConvertLegacy.self])
}

/// `microtome convert msd` and `nnUNetv2_convert_MSD_dataset`
struct ConvertDecathlon: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "msd", abstract: "Converts a task of the Medical Segmentation Decathlon.")

  @Option(name: .customShort("i"), help: "The folder TaskXX_NAME.") var input: String
  @Option(
    name: [
      .customLong("overwrite_id", withSingleDash: true), .customLong("output_task_id", withSingleDash: true),
    ], help: "The new dataset's number. (default: the task's)")
  var identifier: Int?
  @Option(
    name: [.customLong("np", withSingleDash: true), .customShort("p")],
    help: "Accepted for nnU-Net's sake: threads are managed here.")
  var processes = 1

  func run() throws {
    Interruption.watch()
    let roots = DatasetRoots { Environment[$0] }
    let others = [try? roots.preprocessed(), try? roots.results()].compactMap { $0 }
    let path = try DatasetConversion.convertDecathlon(
      input, roots: [roots.raw()] + others, identifier: identifier
    ) { done, total in
      if Console.isInteractive { Console.transient("converting: \(done)/\(total)") }
    }
    if Console.isInteractive { Console.clearTransient() }
    Console.print("dataset: \(path)")
  }
}

/// `microtome convert nnunet-v1` and `nnUNetv2_convert_old_nnUNet_dataset`
struct ConvertLegacy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnunet-v1", abstract: "Converts a raw dataset of nnU-Net v1.")

  @Argument(help: "The folder nnUNet_raw_data/TaskXXX_NAME.") var input: String
  @Argument(help: "The new dataset's name, DatasetXXX_NAME.") var name: String

  func run() throws {
    Interruption.watch()
    let root = try DatasetRoots { Environment[$0] }.raw()
    Console.print("dataset: \(try DatasetConversion.convertLegacy(input, name: name, root: root))")
  }
}
