import ArgumentParser
import Basics
import TotalSegmentator

/// `microtome weights`
struct WeightsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weights", abstract: "Lists, fetches, imports and verifies the weights of TotalSegmentator's tasks.",
    subcommands: [List.self, Download.self, Import.self, Verify.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the datasets and whether they are installed.")

    @OptionGroup var weights: WeightsArguments
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let store = try weights.store()
      if json {
        Console.print(JSON.array(store.catalogue.sources.map { Self.entry($0, store) }).text(indent: 2))
        return
      }
      Console.print("weights in \(store.folders.weights)")
      for source in store.catalogue.sources {
        let state = store.state(of: source).rawValue
        let licence = source.licenseTask == nil ? "       " : "licence"
        Console.print("  \(pad(source.id, 14))  \(pad(state, 10))  \(licence)  \(source.folder)")
      }
    }

    private static func entry(_ source: ModelSource, _ store: WeightStore) -> JSON {
      let tasks = store.catalogue.tasks.filter { task in
        task.variants.contains { $0.variant.parts.contains { String($0.dataset) == source.id } }
      }
      return .object([
        "dataset": Int(source.id).map(JSON.int) ?? .string(source.id), "folder": .string(store.folder(of: source)),
        "state": .string(store.state(of: source).rawValue), "license_required": .bool(source.licenseTask != nil),
        "url": source.url.map(JSON.string) ?? .null, "tasks": .array(tasks.map { .string($0.name) }),
      ])
    }

    private func pad(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
  }

  struct Download: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetches weights and checks them; goes on where an earlier download stopped.",
      discussion: """
        Names are those of tasks (total, lung_vessels, ...), of totalseg_download_weights (total_fast, ...), numbers \
        of datasets, or 'all'. Proxies are taken from https_proxy and http_proxy.
        """)

    @Argument(help: "What to fetch.") var names: [String] = []
    @Option(name: [.customShort("t"), .customLong("task")], help: "The same, as totalseg_download_weights takes it.")
    var task: String?
    @Flag(help: "Fetch and replace weights that are installed already.") var force = false
    @OptionGroup var license: LicenseArguments
    @OptionGroup var weights: WeightsArguments

    func run() throws {
      try license.storeNumber()
      let wanted = names + (task.map { [$0] } ?? [])
      guard !wanted.isEmpty else {
        throw Failure(.usage, "no name was given", hint: "microtome info tasks lists names; 'all' is everything")
      }
      try WeightsDownload(store: weights.store(), names: wanted, isForced: force).run()
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Installs weights from ZIP archives that were fetched by other means.")

    @Argument(help: "ZIP archives of one or more datasets.") var archives: [String]
    @OptionGroup var weights: WeightsArguments

    func run() throws { try importWeights(archives, into: weights.store()) }
  }

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Reads installed weights in full and says what is wrong with them.")

    @Argument(help: "Names as for 'download'; by default everything that is installed.") var names: [String] = []
    @OptionGroup var weights: WeightsArguments

    func run() throws {
      Interruption.watch()
      let store = try weights.store()
      let named = try names.flatMap { try store.catalogue.sources(forDownload: $0) }
      let sources = names.isEmpty ? store.catalogue.sources.filter { store.state(of: $0) != .missing } : named
      guard !sources.isEmpty else {
        throw Failure(.missingInput, "no weights are installed here", file: store.folders.weights)
      }
      var damaged = 0
      for source in sources {
        let problems = try store.problems(of: source)
        Console.print("\(problems.isEmpty ? "good" : "BAD ")  \(source.folder)")
        for problem in problems { Console.print("      \(problem)") }
        if !problems.isEmpty { damaged += 1 }
      }
      if damaged > 0 {
        throw Failure(
          .badInput, "\(damaged) of \(sources.count) datasets cannot be used as they are",
          hint: "microtome weights download --force NAME fetches weights again")
      }
    }
  }
}

/// Installs archives one after the other and says where their datasets are now.
func importWeights(_ archives: [String], into store: WeightStore) throws {
  Interruption.watch()
  for archive in archives {
    for folder in try WeightInstaller(store: store).install(archive: archive) { Console.print("installed \(folder)") }
  }
}
