import ArgumentParser
import Basics
import TotalSegmentator

/// `microtome info`
struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Lists TotalSegmentator's tasks and their classes.",
    subcommands: [Tasks.self, Classes.self, Registry.self], defaultSubcommand: Tasks.self)

  struct Tasks: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the tasks with modality, licence and number of classes.")

    @OptionGroup var weights: WeightsArguments
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let catalogue = try weights.store().catalogue
      Console.print(json ? catalogue.tasksJSON.text(indent: 2) : catalogue.tasksTable)
    }
  }

  struct Classes: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the labels and names of a task's classes.")

    @Argument(help: "The task.") var task: String
    @OptionGroup var weights: WeightsArguments
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let catalogue = try weights.store().catalogue
      Console.print(
        json ? try catalogue.classesJSON(of: task).text(indent: 2) : try catalogue.classesTable(of: task))
    }
  }

  struct Registry: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints all tasks with all classes as JSON.")

    @OptionGroup var weights: WeightsArguments

    func run() throws { Console.print(try weights.store().catalogue.registryJSON.text(indent: 2)) }
  }
}

/// `microtome license`
struct LicenseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "license", abstract: "Stores the licence number that some weights of TotalSegmentator need.",
    subcommands: [Set.self])

  struct Set: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stores a licence number in TotalSegmentator's config.json.")

    @Argument(help: "The number: aca_ and 14 more characters.") var number: String

    func run() throws { try storeLicense(number) }
  }
}

/// Stores a licence's number and says where.
func storeLicense(_ number: String) throws {
  let configuration = LicenseConfiguration(folders: TotalSegmentatorFolders())
  try configuration.store(number)
  Console.print("stored the licence number in \(configuration.path)")
}
