import ArgumentParser
import Basics
import NNUNet

/// `microtome overlays` and `nnUNetv2_plot_overlay_pngs`
struct PlotOverlays: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overlays", abstract: "Draws the labels of a dataset's training cases over their images, a PNG each.",
    discussion: "The slice with the most of the labels is drawn; spacing is not looked at.")

  @Option(name: .customShort("d"), help: "The dataset's name or number.")
  var dataset: String

  @Option(name: .customShort("o"), help: "The folder for the pictures.")
  var output: String

  @OptionGroup var processes: ProcessesArgument

  @Option(name: .customLong("channel_idx", withSingleDash: true), help: "The channel that is shown, from 0.")
  var channel = 0

  @Option(name: .customLong("overlay_intensity", withSingleDash: true), help: "How strongly labels are coloured.")
  var intensity: Double = 0.6

  @Flag(name: .customLong("use_raw"), help: "Images as they are in nnUNet_raw instead of preprocessed ones.")
  var usesRaw = false

  @Option(name: .customShort("p"), help: "The plans that cases were preprocessed with.")
  var plans = "nnUNetPlans"

  @Option(name: .customShort("c"), help: "The configuration. (default: 3d_fullres if the plans have it, else 2d)")
  var configuration: String?

  func validate() throws {
    guard channel >= 0 else { throw ValidationError("-channel_idx is \(channel); channels count from 0") }
    guard intensity >= 0, intensity.isFinite else { throw ValidationError("-overlay_intensity cannot be \(intensity)") }
  }

  func run() throws {
    Interruption.watch()
    let roots = DatasetRoots { Environment[$0] }
    let name = try roots.dataset(dataset)
    let source: OverlayFolder.Source =
      usesRaw
      ? .raw(try RawDataset(path: Path.join(roots.raw(), name)) { Environment[$0] })
      : .preprocessed(try preprocessed(in: Path.join(roots.preprocessed(), name)))
    var folder = OverlayFolder(source: source, output: output)
    folder.channel = channel
    folder.intensity = intensity
    let count = try folder.draw(progress: CaseProgress("drawing").report)
    Console.print("\(count) picture(s): \(output)")
  }

  private func preprocessed(in folder: String) throws -> PreprocessedFolder {
    let path = Path.join(folder, plans + ".json")
    let plans = try Plans.read(path)
    let name = configuration ?? (plans.configurationNames.contains("3d_fullres") ? "3d_fullres" : "2d")
    let chosen = try locating(path) { try plans.configuration(name) }
    let identifier = chosen.json["data_identifier"]?.string ?? "\(self.plans)_\(name)"
    return try PreprocessedFolder(path: Path.join(folder, identifier), plans: plans, configuration: chosen)
  }
}
