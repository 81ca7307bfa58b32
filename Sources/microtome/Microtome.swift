import ArgumentParser

@main
struct Microtome: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "microtome")
}
