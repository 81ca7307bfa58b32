import ArgumentParser
import Basics
import ImageFormats
import NNUNet

/// `microtome evaluate`, `nnUNetv2_evaluate_folder` and `nnUNetv2_evaluate_simple`
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Compares a folder of segmentations with their references and writes summary.json.",
    discussion: """
      What is evaluated is said by dataset.json and plans.json (-djfile, -pfile), or by labels (-l, -il). Without \
      either, the two files of the folder of predictions are taken.
      """)

  @Argument(help: "The folder with the references.")
  var references: String

  @Argument(help: "The folder with the segmentations to judge.")
  var predictions: String

  @Option(name: .customLong("djfile", withSingleDash: true), help: "The dataset.json that names labels and regions.")
  var dataset: String?

  @Option(name: .customLong("pfile", withSingleDash: true), help: "The plans.json that names the reader of images.")
  var plans: String?

  @Option(name: .customShort("l"), parsing: .upToNextOption, help: "The labels to evaluate, instead of -djfile.")
  var labels: [Int] = []

  @Option(
    name: .customLong("il", withSingleDash: true), help: "With -l: leave out voxels with this label in the reference.")
  var ignore: Int?

  @Option(name: .customShort("o"), help: "The file to write. (default: summary.json in the folder of predictions)")
  var output: String?

  @OptionGroup var processes: ProcessesArgument

  @Flag(name: .customLong("chill"), help: "References may lack predictions.")
  var toleratesMissing = false

  @Flag(help: "Also measure surfaces: the 95th percentile Hausdorff distance in mm, and the normalised surface Dice.")
  var surfaces = false

  @Option(help: "With --surfaces: the tolerance of the surface Dice in mm.")
  var tolerance = 1.0

  func validate() throws {
    guard labels.isEmpty || (dataset == nil && plans == nil) else {
      throw ValidationError("labels are named either by -l or by -djfile and -pfile")
    }
    guard !labels.isEmpty || ignore == nil else { throw ValidationError("-il goes with -l") }
    guard (dataset == nil) == (plans == nil) else { throw ValidationError("-djfile and -pfile go together") }
    guard tolerance >= 0 else { throw ValidationError("--tolerance is \(tolerance); it cannot be negative") }
  }

  func run() throws {
    Interruption.watch()
    let target = output ?? Path.join(predictions, "summary.json")
    let progress = CaseProgress("evaluating")
    let scheme = try scheme()
    let summary = try FolderEvaluation.evaluate(
      predictions: predictions, references: references, fileEnding: scheme.ending, reader: scheme.reader,
      labels: scheme.labels, requiresAll: !toleratesMissing,
      surfaces: surfaces ? .init(tolerance: tolerance) : nil, progress: progress.report)
    try summary.write(to: target)
    for (item, metrics) in zip(summary.items, summary.means) {
      var line = "Dice \(metrics.dice.decimals(4))  \(scheme.name(of: item))"
      if let distance = metrics.hausdorff95, let overlap = metrics.surfaceDice {
        line += "  HD95 \(distance.decimals(2)) mm  NSD \(overlap.decimals(4))"
      }
      Console.print(line)
    }
    Console.print("Dice \(summary.foregroundDice.decimals(4))  mean of \(summary.cases.count) cases")
  }

  private struct Scheme {
    let ending: String
    let reader: ImageReader
    let labels: EvaluatedLabels
    let description: DatasetDescription?

    func name(of item: EvaluatedLabels.Item) -> String {
      let name = description?.labels.foreground.first { $0.labels == item.labels }?.name
      return name.map { "\(item.key) \($0)" } ?? item.key
    }
  }

  private func scheme() throws -> Scheme {
    guard labels.isEmpty else {
      let (reader, ending) = try FolderEvaluation.reader(forSegmentationsIn: predictions)
      return Scheme(
        ending: ending, reader: reader, labels: EvaluatedLabels(labels: labels, ignore: ignore), description: nil)
    }
    let description = try DatasetDescription.read(dataset ?? Path.join(predictions, "dataset.json"))
    return Scheme(
      ending: description.fileEnding, reader: try Plans.read(plans ?? Path.join(predictions, "plans.json")).reader,
      labels: try EvaluatedLabels(dataset: description), description: description)
  }
}

/// An option of nnU-Net that changes nothing here.
struct ProcessesArgument: ParsableArguments {
  @Option(
    name: .customLong("np", withSingleDash: true), help: "Accepted for nnU-Net's sake: threads are managed here.")
  var count = Int(Environment["nnUNet_def_n_proc"] ?? "") ?? 8
}
