import Basics
import Downloading
import TestSupport
import Testing

@testable import TotalSegmentator

/// Downloading and installing weights, open and licensed.
@Suite struct WeightDownloadTests {
  let folder: TemporaryFolder
  let archive: [UInt8]
  let licensed: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    try WeightArchive.write(to: folder("a.zip"))
    archive = try Path.read(folder("a.zip"))
    try WeightArchive.write(to: folder("b.zip"), dataset: "Dataset902_licensed")
    licensed = try Path.read(folder("b.zip"))
  }

  private func installer(_ server: TestServer, path: String = "a.zip") throws -> WeightInstaller {
    let catalogue = try WeightArchive.catalogue(url: server.url(path), server: server.url("licensed"))
    let folders = TotalSegmentatorFolders(
      environment: { [folder] in $0 == "TOTALSEG_HOME_DIR" ? folder("home") : nil })
    return WeightInstaller(store: WeightStore(catalogue: catalogue, folders: folders))
  }

  private func server() throws -> TestServer {
    try TestServer { [archive, licensed] request in
      switch request.target {
      case "/a.zip": return .file(archive, for: request)
      case "/licensed":
        let body = try? JSON(parsing: request.body)
        guard body?["license_number"]?.string == "aca_12345678901234" else {
          return .init(
            403, headers: [("Content-Type", "application/json")], body: Array("{\"status\": \"invalid_license\"}".utf8))
        }
        return .init(200, body: licensed)
      case "/message": return .init(200, body: Array("{\"status\": \"please log in\"}".utf8))
      case "/damaged.zip":
        var bytes = archive
        bytes[bytes.count / 2] ^= 4
        return .init(200, body: bytes)
      default: return .init(404)
      }
    }
  }

  private func once() -> Downloader {
    var downloader = Downloader()
    downloader.attempts = 1
    return downloader
  }

  private func failure(_ body: () throws -> Void) -> Failure? {
    do {
      try body()
      return nil
    } catch { return error as? Failure }
  }

  @Test func openWeightsAreFetchedOnce() throws {
    let server = try server()
    let installer = try installer(server)
    let source = try installer.store.catalogue.dataset(901)
    let target = installer.store.folder(of: source)
    #expect(try installer.download(source, downloader: once()) == .installed(folder: target))
    #expect(try installer.download(source, downloader: once()) == .wasInstalled)
    #expect(server.requests.count == 1)
    #expect(try installer.download(source, isForced: true, downloader: once()) == .installed(folder: target))
    #expect(try installer.store.problems(of: source) == [])
    #expect(try Path.list(installer.store.folders.weights) == [WeightArchive.dataset])
  }

  @Test func whatCannotBeFetchedSaysWhereToPutIt() throws {
    let server = try server()
    for (path, kind) in [("absent.zip", Failure.Kind.missingInput), ("message", .badInput), ("damaged.zip", .badInput)]
    {
      let installer = try installer(server, path: path)
      let source = try installer.store.catalogue.dataset(901)
      let problem = failure { _ = try installer.download(source, downloader: once()) }
      #expect(problem?.kind == kind)
      if kind == .missingInput {
        let hint = problem?.hint ?? ""
        #expect(hint.contains("fetch \(server.url(path)) elsewhere and run microtome weights import FILE.zip"))
        #expect(hint.contains("copy the folder to \(installer.store.folder(of: source))"))
      }
      if path == "message" { #expect(problem?.message.contains("please log in") == true) }
      #expect(try Path.list(installer.store.folders.weights) == [])
    }
  }

  @Test func licensedWeightsNeedTheirNumber() throws {
    let server = try server()
    let installer = try installer(server)
    let source = try installer.store.catalogue.dataset(902)
    let without = failure { _ = try installer.download(source, downloader: once()) }
    #expect(without?.kind == .usage && without?.hint?.contains("http://page.example/") == true)
    #expect(server.requests.isEmpty)

    let license = LicenseConfiguration(folders: installer.store.folders)
    try license.store("aca_00000000000000")
    let refused = failure { _ = try installer.download(source, downloader: once()) }
    #expect(refused?.message.contains("status 403: invalid_license") == true)

    try license.store("aca_12345678901234")
    let target = installer.store.folder(of: source)
    #expect(try installer.download(source, downloader: once()) == .installed(folder: target))
    let request = try #require(server.requests.last)
    #expect(request.method == "POST")
    #expect(
      try JSON(parsing: request.body)
        == .object([
          "license_number": .string("aca_12345678901234"), "task": .string("licensed_task"),
          "version": .string("2.18.0"),
        ]))
  }

  @Test func theConfigurationKeepsWhatOthersWrote() throws {
    let folders = TotalSegmentatorFolders(environment: { $0 == "TOTALSEG_HOME_DIR" ? folder("home") : nil })
    let license = LicenseConfiguration(folders: folders)
    #expect(try license.number() == nil)
    try Path.makeFolder(folder("home"))
    let before = "{\"totalseg_id\": \"totalseg_ABCDEFGH\", \"send_usage_stats\": false, \"mine\": [1, 2]}"
    try AtomicFile.write(Array(before.utf8), to: license.path)
    try license.store("aca_12345678901234")
    let expected = """
      {
          "totalseg_id": "totalseg_ABCDEFGH",
          "send_usage_stats": false,
          "mine": [
              1,
              2
          ],
          "license_number": "aca_12345678901234"
      }
      """
    #expect(String(decoding: try Path.read(license.path), as: UTF8.self) == expected)
    #expect(try license.number() == "aca_12345678901234")
    for wrong in ["aca_1", "abc_12345678901234", ""] { #expect(failure { try license.store(wrong) }?.kind == .usage) }
    try AtomicFile.write(Array("{\"license_number\": \"short\"}".utf8), to: license.path)
    #expect(failure { _ = try license.number() }?.kind == .badInput)
    try AtomicFile.write(Array("{".utf8), to: license.path)
    #expect(failure { try license.store("aca_12345678901234") }?.kind == .badInput)
  }
}
