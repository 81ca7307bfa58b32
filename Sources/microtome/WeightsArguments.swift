import ArgumentParser
import Basics
import TotalSegmentator

/// Which tasks there are and where their weights lie; shared by the commands about them.
struct WeightsArguments: ParsableArguments {
  @Option(
    name: .customLong("weights_dir"),
    help: "The folder of weights. (default: $TOTALSEG_WEIGHTS_PATH, else ~/.totalsegmentator/nnunet/results)")
  var folder: String?

  @Option(
    name: .customLong("tasks"), parsing: .singleValue,
    help: "A JSON file, or a folder of them, with tasks of your own, beside those in $MICROTOME_TASKS.")
  var catalogues: [String] = []

  func store() throws -> WeightStore {
    WeightStore(
      catalogue: try TaskCatalogue.load(extending: catalogues), folders: TotalSegmentatorFolders(weights: folder))
  }
}

/// A licence's number, to be stored before anything is done.
struct LicenseArguments: ParsableArguments {
  @Option(
    name: [.customShort("l"), .customLong("license_number")],
    help: "Store this licence number before anything else is done.")
  var number: String?

  func storeNumber() throws {
    if let number { try LicenseConfiguration(folders: TotalSegmentatorFolders()).store(number) }
  }
}
