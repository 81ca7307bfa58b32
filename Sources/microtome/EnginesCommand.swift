import ArgumentParser
import Basics
import Engines

/// `microtome engines`
struct Engines: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engines", abstract: "Lists and installs the libraries that run networks.",
    subcommands: [List.self, Install.self], defaultSubcommand: List.self)
}
