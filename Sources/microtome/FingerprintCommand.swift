import ArgumentParser
import Basics

/// `microtome fingerprint` and `nnUNetv2_extract_fingerprint`
struct FingerprintCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fingerprint",
    abstract: "Extracts what planning needs to know about a dataset: sizes, spacings and intensities.")

  @OptionGroup var dataset: DatasetArguments
  @OptionGroup var fingerprint: FingerprintArguments
  @Option(
    name: .customLong("np", withSingleDash: true), help: "The most cases to work on at once. (default: all cores)")
  var limit: Int?
  @OptionGroup var reading: ReadingArguments

  func run() throws {
    Interruption.watch()
    reading.warnAboutUnknown()
    for name in dataset.datasets {
      _ = try PlanningSession(name, reading: reading).fingerprint(fingerprint, limit: limit)
    }
  }
}
