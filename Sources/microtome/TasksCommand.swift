import ArgumentParser
import Basics
import FastnnUNet
import NNUNet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `microtome tasks`
struct TasksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tasks", abstract: "Registers models for FastnnUNet's modes and for modes of your own.",
    subcommands: [List.self, Add.self, Show.self, Remove.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the modes and their models.",
      discussion: "TotalSegmentator's tasks are another matter: 'microtome info tasks' lists those.")

    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let catalogue = try ModeCatalogue { Environment[$0] }
      let registered = try catalogue.names()
      let published = ModeCatalogue.published
      let names = published.map(\.name) + registered.filter { name in !published.contains { $0.name == name } }
      let entries = names.map { name in
        Entry(
          name: name, summary: published.first { $0.name == name }?.summary, path: catalogue.path(of: name),
          mode: registered.contains(name) ? Result { try catalogue.mode(named: name) } : nil)
      }
      if json { return Console.print(JSON.array(entries.map(\.json)).text(indent: 2)) }
      Console.print("modes in \(catalogue.folder)")
      for entry in entries { Console.print(entry.line) }
      guard registered.isEmpty else { return }
      Console.print("none has a model yet: no weights are published; microtome tasks add MODE --model MODEL_FOLDER")
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Prints a mode's file and the labels it writes.")

    @Argument(help: "The mode.") var mode: String

    func run() throws {
      let catalogue = try ModeCatalogue { Environment[$0] }
      let mode = try catalogue.mode(named: mode)
      Console.print("\(catalogue.path(of: mode.name)):")
      Console.print(mode.json.text(indent: 2))
      let opened = try OpenedMode(mode, subsegmentation: mode.subsegmentation != nil)
      Console.print("labels:")
      for entry in opened.labels.entries { Console.print("  \(entry.label)  \(entry.name)") }
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Forgets a mode; its models stay where they are.")

    @Argument(help: "The mode.") var mode: String

    func run() throws {
      try ModeCatalogue { Environment[$0] }.remove(mode)
      Console.print("removed \(mode)")
    }
  }

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Registers the models of a mode.",
      discussion: """
        Models are nnU-Net's folders, ONNX files, OpenVINO's .xml, or the JSON or INI files that describe such files \
        beside them. The file that is written can be edited; --definition takes such a file in place of all other options.
        """)

    @Argument(help: "The mode: one of FastnnUNet's, or a name of your own.") var mode: String

    @Option(
      name: [.customLong("model"), .customShort("m")],
      help: "The model. Given several times, the labels of each lie over those before, numbered behind them.")
    var models: [String] = []

    @Option(name: .customLong("model-config"), help: "The JSON or INI file that describes a file with a network.")
    var description: String?

    @Option(
      name: [.customShort("f"), .customLong("fold")], parsing: .upToNextOption,
      help: "The folds to average. (default: all there are)")
    var folds: [String] = []

    @Option(
      name: [.customLong("chk", withSingleDash: true), .customLong("checkpoint")],
      help: "The name of the checkpoint file in each fold's folder.")
    var checkpoint: String?

    @Option(
      help: """
        The sides that an image's axes are turned to before it is segmented: LPS, RAS, ...; none: as they lie. (default: \
        LPS)
        """)
    var orientation: String?

    @Option(help: "A JSON file with the operations that clean up the labels.")
    var postprocessing: String?

    @Option(
      name: .customLong("step_size", withSingleDash: true),
      help: "The distance between patches as a fraction of the patch. (default: what the model says, or 0.5)")
    var step: Double?

    @Flag(name: .customLong("disable_tta"), help: "No averaging over mirrored images.")
    var disablesMirroring = false

    @Option(name: .customLong("subseg-model"), help: "The model of the subsegmentation, for --enable_subseg.")
    var subsegmentation: String?

    @Option(
      name: .customLong("subseg-within"), parsing: .upToNextOption,
      help: "The labels, by name or number, in which the subsegmentation counts. (default: all but background)")
    var within: [String] = []

    @Option(help: "A sentence for lists.") var summary: String?

    @Option(help: "A JSON file with the whole mode.") var definition: String?

    @Flag(help: "Replace the mode if it is registered already.") var force = false

    func run() throws {
      let mode = try definition == nil ? assembled() : defined()
      let opened = try OpenedMode(mode, subsegmentation: mode.subsegmentation != nil)
      for part in opened.parts {
        let patch = part.model.configuration.patchSize.map(String.init).joined(separator: "x")
        Console.print(
          "model: \(part.model.plans.datasetName) \(part.model.configuration.name), "
            + "fold \(part.model.folds.joined(separator: "+")), \(part.model.networkName), patch \(patch), "
            + "\(part.model.dataset.labels.written.count) labels")
      }
      let path = try ModeCatalogue { Environment[$0] }.add(mode, replaces: force)
      let turning = mode.orientation.map { "turned to \($0)" } ?? "segmented as they lie"
      Console.print(
        "\(mode.name): \(opened.labels.entries.count) labels, images are \(turning), "
          + "\(mode.postprocessing.count) operations on labels -> \(path)")
      if mode.orientation != nil {
        Console.print("note: a model that was trained on images as they lie wants --orientation none")
      }
    }

    private func defined() throws -> Mode {
      let others = [subsegmentation, postprocessing, orientation, checkpoint, description].compactMap(\.self)
      guard (models + within + folds + others).isEmpty, step == nil, !disablesMirroring else {
        throw Failure(
          .usage, "--definition holds the whole mode", hint: "leave out all other options but --summary and --force")
      }
      var mode = try Mode.read(try absolute(definition ?? ""))
      mode.name = self.mode
      mode.summary = summary ?? mode.summary
      return mode
    }

    private func assembled() throws -> Mode {
      guard !models.isEmpty else {
        throw Failure(.usage, "no model was given", hint: "--model takes a model folder or a file with a network")
      }
      guard models.count == 1 || description == nil else {
        throw Failure(.usage, "--model-config is for one model", hint: "use --definition for several")
      }
      var mode = Mode(name: mode, parts: try models.map { try part($0, place: .everywhere) })
      if let description { mode.parts[0].description = try absolute(description) }
      mode.summary = summary
      let orientation = self.orientation ?? Mode.standardOrientation
      if orientation.lowercased() == "none" {
        mode.orientation = nil
      } else {
        guard Mode.isOrientation(orientation.uppercased()) else {
          throw Failure(
            .usage, "\"\(orientation)\" is no orientation", hint: "three letters such as LPS or RAS, or none")
        }
        mode.orientation = orientation.uppercased()
      }
      if let postprocessing { mode.postprocessing = try LabelOperation.read(postprocessing) }
      if let subsegmentation {
        var place = ModePart.Place.foreground
        if !within.isEmpty { place = .labels(within.map { Int($0).map(LabelReference.number) ?? .name($0) }) }
        mode.subsegmentation = Mode.Subsegmentation(part: try part(subsegmentation, place: place))
      } else if !within.isEmpty {
        throw Failure(.usage, "--subseg-within needs --subseg-model")
      }
      let places = (mode.parts + (mode.subsegmentation.map { [$0.part] } ?? [])).map(\.model)
      guard folds.isEmpty && checkpoint == nil || places.contains(where: Path.isFolder) else {
        throw Failure(
          .usage, "-f and -chk choose among the networks of a model folder; a file holds one network", file: places[0],
          hint: "leave them out")
      }
      return mode
    }

    private func part(_ model: String, place: ModePart.Place) throws -> ModePart {
      let path = try absolute(model)
      var part = ModePart(model: path, place: place)
      if ExportedModel.isDescription(path) {
        part.model = try absolute(ExportedModel.file(describedBy: path))
        part.description = path
      }
      guard Path.exists(part.model) else {
        throw Failure(
          .missingInput, "does not exist", file: model, hint: "--model takes a model folder or a file with a network")
      }
      if Path.isFolder(part.model) {
        part.folds = folds.isEmpty ? nil : folds
        if let checkpoint { part.checkpoint = checkpoint }
      }
      part.step = step
      if disablesMirroring { part.mirrors = false }
      return part
    }

    /// The file is read from anywhere, so paths in it must not depend on where one is now.
    private func absolute(_ path: String) throws -> String {
      guard !path.hasPrefix("/") else { return path }
      var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
      guard getcwd(&buffer, buffer.count) != nil else {
        throw Failure(.missingInput, "the current folder is gone: \(systemMessage())")
      }
      return Path.join(String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self), path)
    }

    func validate() throws {
      if let step, !(step >= 0.001 && step <= 1) {
        throw ValidationError("-step_size is \(step); it must be at least 0.001 and at most 1")
      }
    }
  }
}

/// A line of the list of modes.
private struct Entry {
  let name: String
  /// What a published mode is of.
  let summary: String?
  let path: String
  /// nil when nothing is registered under the name.
  let mode: Result<Mode, any Error>?

  private var state: String {
    switch mode {
    case nil: "no model"
    case .failure: "damaged"
    case .success(let mode):
      (mode.parts + (mode.subsegmentation.map { [$0.part] } ?? [])).allSatisfy { Path.exists($0.model) }
        ? "registered" : "model gone"
    }
  }

  private var found: Mode? { try? mode?.get() }

  var line: String {
    func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    var text = "  \(pad(name, 10))  \(pad(state, 10))  "
    if case .failure(let error)? = mode { return text + "\(error)" }
    text += found?.summary ?? summary ?? ""
    for part in found?.parts ?? [] { text += "\n              \(part.model)" }
    if let part = found?.subsegmentation?.part { text += "\n              subsegmentation: \(part.model)" }
    return text
  }

  var json: JSON {
    .object([
      "name": .string(name), "state": .string(state), "published": .bool(summary != nil),
      "description": (found?.summary ?? summary).map(JSON.string) ?? .null,
      "models": .array((found?.parts ?? []).map { .string($0.model) }),
      "subsegmentation": found?.subsegmentation.map { .string($0.part.model) } ?? .null,
      "file": mode == nil ? .null : .string(path),
    ])
  }
}
