import ArgumentParser
import Basics
import NNUNet

/// `microtome overlays` and `nnUNetv2_plot_overlay_pngs`
struct PlotOverlays: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overlays", abstract: "Draws the labels of a dataset's training cases over their images, a PNG each.",
    discussion: "The images and labels are those of nnUNet_raw.")

  @Option(name: .customShort("d"), help: "The dataset's name or number.")
  var dataset: String

  @Option(name: .customShort("o"), help: "The folder for the pictures.")
  var output: String

  @OptionGroup var processes: ProcessesArgument

  @Option(name: .customLong("channel_idx", withSingleDash: true), help: "The channel that is shown, from 0.")
  var channel = 0

  @Option(name: .customLong("overlay_intensity", withSingleDash: true), help: "How strongly labels are coloured.")
  var intensity: Double = 0.6

  @Flag(name: .customLong("use_raw"), help: "Accepted for nnU-Net's sake: raw images are always taken.")
  var usesRaw = false

  @Option(name: .customShort("p"), help: "Accepted for nnU-Net's sake.")
  var plans = "nnUNetPlans"

  @Option(name: .customShort("c"), help: "Accepted for nnU-Net's sake.")
  var configuration: String?

  func validate() throws {
    guard channel >= 0 else { throw ValidationError("-channel_idx is \(channel); channels count from 0") }
    guard intensity >= 0, intensity.isFinite else { throw ValidationError("-overlay_intensity cannot be \(intensity)") }
  }

  func run() throws {
    Interruption.watch()
    let roots = DatasetRoots { Environment[$0] }
    var folder = OverlayFolder(dataset: Path.join(try roots.raw(), try roots.dataset(dataset)), output: output)
    folder.channel = channel
    folder.intensity = intensity
    let count = try folder.draw(progress: CaseProgress("drawing").report)
    Console.print("\(count) picture(s): \(output)")
  }
}
