import ArgumentParser
import Basics
import NNUNet

/// `microtome ensemble` and `nnUNetv2_ensemble`
struct EnsembleFolders: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ensemble", abstract: "Segments by the mean of the probabilities that several models have saved.")

  @Option(
    name: .customShort("i"), parsing: .upToNextOption,
    help: "Folders of predictions made with --save_probabilities, one per model.")
  var folders: [String]

  @Option(name: .customShort("o"), help: "The output folder.")
  var output: String

  @OptionGroup var processes: ProcessesArgument

  @Flag(name: [.customLong("save_npz"), .customLong("npz")], help: "Also write the mean probabilities.")
  var savesProbabilities = false

  func run() throws {
    Interruption.watch()
    let ensemble = Ensemble(folders: folders, output: output, savesProbabilities: savesProbabilities)
    let count = try ensemble.run(progress: CaseProgress("averaging").report)
    Console.print("\(count) case(s) of \(folders.count) folder(s): \(output)")
  }
}
