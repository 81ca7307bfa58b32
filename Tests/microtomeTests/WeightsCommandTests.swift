import Basics
import Checkpoints
import TestSupport
import Testing

/// `microtome weights`, `info` and `license`, and the names of the tools they replace.
@Suite struct WeightsCommandTests {
  static let dataset = "Dataset901_phantom"
  static let model = "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres"

  let folder: TemporaryFolder
  /// The packed weights.
  let archive: [UInt8]

  init() throws {
    let folder = try TemporaryFolder()
    self.folder = folder
    let source = ReferenceData.repositoryFolder + "/Examples/Phantom/model/" + Self.model
    let zip = try ZipWriter(path: folder("phantom.zip"))
    for file in ["dataset.json", "plans.json", "fold_0/checkpoint_final.pth"] {
      try zip.add("\(Self.dataset)/\(Self.model)/\(file)", Path.read(Path.join(source, file)), method: .deflated)
    }
    try zip.commit()
    archive = try Path.read(folder("phantom.zip"))
  }

  /// Runs the program with a home folder and a catalogue of its own, and without the machine's proxies.
  private func run(
    _ arguments: [String], name: String? = nil, url: String = "https://example.org/a.zip",
    environment: [String: String?] = [:], signal: Program.Signal? = nil
  ) throws -> ProgramRun {
    let text = """
      {
        "datasets": {"901": {"folder": "\(Self.dataset)", "url": "\(url)"}},
        "tasks": {
          "phantom": {
            "modality": "CT", "classes": ["a", "b", "c", "d", "e", "f", "g", "h"],
            "default": {"trainer": "nnUNetTrainerNoMirroring", "dataset": 901}
          }
        }
      }
      """
    try AtomicFile.write(Array(text.utf8), to: folder("tasks.json"))
    var variables: [String: String?] = ["MICROTOME_TASKS": folder("tasks.json"), "TOTALSEG_HOME_DIR": folder("home")]
    let proxies = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"]
    for name in proxies + ["TOTALSEG_WEIGHTS_PATH"] {
      variables.updateValue(nil, forKey: name)
    }
    variables.merge(environment) { $1 }
    return try Program.run(arguments, name: name, environment: variables, signal: signal)
  }

  private var home: String { folder("home/nnunet/results") }

  @Test func weightsAreFetchedListedAndVerified() throws {
    let server = try TestServer { [archive] in .file(archive, for: $0) }
    let url = server.url("a.zip")
    let absent = try run(["weights", "verify"], url: url)
    #expect(absent.status == 66 && absent.errors.contains("no weights are installed"))
    let fetched = try run(["weights", "download", "phantom"], url: url)
    #expect(fetched.status == 0, "\(fetched.errors)")
    #expect(fetched.output.contains("installed \(home)/\(Self.dataset)"))
    let again = try run(["weights", "download", "-t", "901"], url: url)
    #expect(again.output == "\(Self.dataset) is installed\n" && server.requests.count == 1)
    let list = try run(["weights", "list", "--json"], url: url)
    let entries = try JSON(parsing: Array(list.output.utf8)).array ?? []
    let mine = entries.first { $0["dataset"]?.int == 901 }
    #expect(mine?["state"]?.string == "installed" && mine?["tasks"]?.strings == ["phantom"])
    #expect(entries.first { $0["dataset"]?.int == 291 }?["state"]?.string == "missing")
    let good = try run(["weights", "verify"], url: url)
    #expect(good.status == 0 && good.output == "good  \(Self.dataset)\n")

    let plans = "\(home)/\(Self.dataset)/\(Self.model)/plans.json"
    try AtomicFile.write(Path.read(plans) + [32], to: plans)
    let bad = try run(["weights", "verify", "phantom"], url: url)
    #expect(bad.status == 65 && bad.output.contains("BAD   \(Self.dataset)"))
    #expect(bad.output.contains("\(Self.model)/plans.json has"))
    let forced = try run(["weights", "download", "--force", "phantom"], url: url)
    #expect(forced.status == 0)
    #expect(try run(["weights", "verify"], url: url).status == 0)
  }

  @Test func oldNamesAreUnderstood() throws {
    let server = try TestServer { [archive] in .file(archive, for: $0) }
    let url = server.url("a.zip")
    let other = folder("other")
    let imported = try run(["-i", folder("phantom.zip")], name: "totalseg_import_weights", url: url)
    #expect(imported.status == 0 && imported.output == "installed \(home)/\(Self.dataset)\n", "\(imported.errors)")
    let fetched = try run(
      ["-t", "phantom"], name: "totalseg_download_weights", url: url, environment: ["TOTALSEG_WEIGHTS_PATH": other])
    #expect(fetched.status == 0 && Path.isFolder("\(other)/\(Self.dataset)"), "\(fetched.errors)")
    let stored = try run(["-l", "aca_12345678901234", "-sv"], name: "totalseg_set_license")
    #expect(stored.status == 0)
    #expect(try JSON.read(folder("home/config.json"))["license_number"]?.string == "aca_12345678901234")
    let info = try run(["-cl", "-ta", "phantom"], name: "totalseg_info")
    #expect(info.output.hasPrefix("Task 'phantom'  [CT, open license, 8 classes]\n\n   1  a\n   2  b\n"))
    #expect(try run(["-cl"], name: "totalseg_info").status == 64)
    let registry = try JSON(parsing: Array(run(["--json"], name: "totalseg_info").output.utf8))
    #expect(registry["tasks"]?["total"]?["classes"]?["5"]?.string == "liver")
  }

  @Test func informationIsPrinted() throws {
    let tasks = try run(["info", "tasks"])
    #expect(tasks.output.hasPrefix("TASK                        MODALITY  LICENSE  CLASSES\n------"))
    #expect(tasks.output.contains("\nface_mr                     MR        yes      1\n"))
    let json = try JSON(parsing: Array(run(["info", "tasks", "--json"]).output.utf8))
    #expect(json.array?.last?["name"]?.string == "phantom" && json.array?.first?["num_classes"]?.int == 117)
    #expect(try run(["info", "classes", "body", "--json"]).output.hasPrefix("{\n  \"1\": \"body_trunc\","))
    let unknown = try run(["info", "classes", "fantom"])
    #expect(unknown.status == 64 && unknown.errors.contains("no task called fantom"))
    let wrong = try run(["info"], environment: ["MICROTOME_TASKS": folder("phantom.zip")])
    #expect(wrong.status == 65 && wrong.errors.contains("phantom.zip: is not valid JSON"))
  }

  @Test func withoutAConnectionTheWayToInstallIsNamed() throws {
    let url = "http://127.0.0.1:\(try TestServer.closedPort())/a.zip"
    let failed = try run(["weights", "download", "phantom"], url: url)
    #expect(failed.status == 66)
    #expect(failed.errors.contains("fetch \(url) elsewhere and run microtome weights import FILE.zip"))
    #expect(failed.errors.contains("copy the folder to \(home)/\(Self.dataset)"))
    // Other weights are fetched all the same.
    let licensed = try run(["weights", "download", "face", "phantom"], url: url)
    #expect(licensed.status == 64 && licensed.errors.contains("license-academic"))
    #expect(licensed.errors.contains(url))
    let nothing = try run(["weights", "download"])
    #expect(nothing.status == 64)
    let misspelt = try run(["weights", "download", "fantom"])
    #expect(misspelt.status == 64 && misspelt.errors.contains("there are no weights called fantom"))
  }

  @Test func proxiesOfTheEnvironmentAreUsed() throws {
    let server = try TestServer { [archive] in .file(archive, for: $0) }
    let fetched = try run(
      ["weights", "download", "phantom"], url: "http://weights.invalid/a.zip",
      environment: ["http_proxy": "http://127.0.0.1:\(server.port)"])
    #expect(fetched.status == 0, "\(fetched.errors)")
    #expect(server.requests.map(\.target) == ["http://weights.invalid/a.zip"])
  }

  @Test func anInterruptedDownloadGoesOnLater() throws {
    let stalling = try TestServer { [archive] request in
      var response = TestServer.Response.file(archive, for: request)
      if request.headers["range"] == nil { response.stallsAfter = 200_000 }
      return response
    }
    let url = stalling.url("a.zip")
    let partial = "\(home)/.downloads/\(Self.dataset).zip.partial"
    let stopped = try run(
      ["weights", "download", "phantom"], url: url,
      signal: .interrupt { ((try? Path.read(partial))?.count ?? 0) >= 200_000 })
    #expect(stopped.status == 130, "\(stopped.errors)")
    #expect(stopped.errors.contains("the same command goes on from there"))
    let finished = try run(["weights", "download", "phantom"], url: url)
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(stalling.requests.last?.headers["range"] == "bytes=200000-")
    #expect(try Path.list(home) == [Self.dataset])
  }
}
