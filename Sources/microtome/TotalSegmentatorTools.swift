import ArgumentParser
import Basics
import TotalSegmentator

/// The program started as `totalseg_download_weights`.
struct DownloadWeightsTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "totalseg_download_weights", abstract: "Fetches the weights of a task.")

  @Option(name: [.customShort("t"), .customLong("task")], help: "A task or 'all'.") var task = "total"
  @OptionGroup var license: LicenseArguments
  @OptionGroup var weights: WeightsArguments

  func run() throws {
    try license.storeNumber()
    try WeightsDownload(store: weights.store(), names: [task], isForced: false).run()
  }
}

/// The program started as `totalseg_import_weights`.
struct ImportWeightsTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "totalseg_import_weights", abstract: "Installs weights from a ZIP archive.")

  @Option(name: [.customShort("i"), .customLong("weights_file")], help: "The archive.") var archive: String
  @OptionGroup var weights: WeightsArguments

  func run() throws { try importWeights([archive], into: weights.store()) }
}

/// The program started as `totalseg_set_license`.
struct SetLicenseTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "totalseg_set_license", abstract: "Stores a licence number. It is not sent anywhere.")

  @Option(name: [.customShort("l"), .customLong("license_number")], help: "The number.") var number: String
  @Flag(
    name: [.customLong("sv", withSingleDash: true), .customLong("skip_validation")],
    help: "Without effect: the licence server checks the number when weights are downloaded.")
  var skipsValidation = false

  func run() throws { try storeLicense(number) }
}

/// The program started as `totalseg_info`.
struct InfoTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "totalseg_info", abstract: "Lists tasks and classes; with --json alone, everything as JSON.")

  @Flag(name: [.customLong("lt", withSingleDash: true), .customLong("list-tasks")], help: "List the tasks.")
  var listsTasks = false
  @Flag(name: [.customLong("cl", withSingleDash: true), .customLong("classes")], help: "List the classes of a task.")
  var listsClasses = false
  @Option(name: [.customLong("ta", withSingleDash: true), .customLong("task")], help: "The task.") var task: String?
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var weights: WeightsArguments

  func run() throws {
    let catalogue = try weights.store().catalogue
    guard !(listsTasks && listsClasses) else {
      throw Failure(.usage, "--list-tasks and --classes exclude each other")
    }
    if listsClasses {
      guard let task else {
        throw Failure(.usage, "--classes needs a task", hint: "totalseg_info --classes -ta total")
      }
      Console.print(
        json ? try catalogue.classesJSON(of: task).text(indent: 2) : try catalogue.classesTable(of: task))
    } else if json {
      Console.print((listsTasks ? catalogue.tasksJSON : catalogue.registryJSON).text(indent: 2))
    } else {
      Console.print(catalogue.tasksTable)
      guard !listsTasks else { return }
      Console.print("\n--classes -ta TASK lists the classes of a task, --json prints everything as JSON.")
    }
  }
}
