import ArgumentParser
import Basics
import Engines

/// `microtome engines`
struct EnginesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "engines", abstract: "Lists and installs the libraries that run networks.",
    subcommands: [List.self, Install.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the engines that were found, with versions and devices.")

    @Flag(help: "Print nothing; succeed if there is an engine fit for real networks.")
    var quiet = false

    func run() throws {
      let registry = EngineRegistry()
      if quiet {
        guard registry.isFitForUse else { throw ExitCode(Failure.Kind.engine.rawValue) }
        return
      }
      for entry in registry.entries() {
        Console.print("\(entry.name) \(entry.version)")
        Console.print("    devices: \(entry.devices.joined(separator: ", "))")
        if let path = entry.path { Console.print("    library: \(path)") }
      }
    }
  }

  struct Install: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetches an engine with pip into Microtome's own folder, checked by its SHA-256.")

    @Argument(
      help: ArgumentHelp(
        "The engine's name: openvino, onnxruntime or torch.",
        discussion: """
          openvino (60 MB) runs networks and files that the native engine does not, and is faster where the processor \
          multiplies bfloat16. onnxruntime (24 MB) runs ONNX files. torch trains networks; only the part for processors is kept \
          (450 MB), but 550 MB are downloaded on Linux. For graphics processors install PyTorch with \
          pip (pip install torch), which is found as well.
          """))
    var name: String

    func run() throws {
      let folder = try EngineInstaller().install(name)
      Console.print("installed \(name) in \(folder)")
    }
  }
}
