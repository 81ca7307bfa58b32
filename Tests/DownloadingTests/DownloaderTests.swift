import Basics
import Synchronization
import TestSupport
import Testing

@testable import Downloading

/// Downloads from a server in this process.
@Suite struct DownloaderTests {
  static let content: [UInt8] = {
    var generator = SeededGenerator(seed: 7)
    return (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }()
  static let digest = content.withUnsafeBytes { SHA256.hexadecimal($0) }

  let folder: TemporaryFolder
  let destination: String

  init() throws {
    folder = try TemporaryFolder()
    destination = folder("file.zip")
  }

  private func downloader(attempts: Int = 1) -> Downloader {
    var downloader = Downloader()
    downloader.attempts = attempts
    downloader.pause = 0.01
    return downloader
  }

  private var names: [String] { (try? Path.list(folder.path)) ?? [] }

  private func failure(_ body: () throws -> Void) -> Failure? {
    do {
      try body()
      return nil
    } catch { return error as? Failure }
  }

  /// A server that breaks off its first answers after so many bytes each.
  private func breakingServer(_ lengths: [Int], tag: String? = "\"one\"") throws -> TestServer {
    let left = Mutex(lengths)
    return try TestServer { request in
      var response = TestServer.Response.file(Self.content, for: request, tag: tag)
      response.breaksAfter = left.withLock { $0.isEmpty ? nil : $0.removeFirst() }
      return response
    }
  }

  @Test func aFileArrivesWhole() throws {
    let server = try breakingServer([])
    var last: DownloadProgress?
    try downloader().fetch(
      Download(
        url: server.url("a"), destination: destination, expectedSize: Self.content.count, sha256: Self.digest)
    ) { last = $0 }
    #expect(try Path.read(destination) == Self.content)
    #expect(names == ["file.zip"])
    #expect(last == DownloadProgress(received: Self.content.count, total: Self.content.count, resumed: 0))
    #expect(server.requests.map(\.method) == ["GET"])
  }

  @Test(arguments: ["\"one\"", nil])
  func goesOnWhereItStopped(tag: String?) throws {
    let server = try breakingServer([100_000], tag: tag)
    let download = Download(url: server.url("a"), destination: destination, sha256: Self.digest)
    let problem = failure { try downloader().fetch(download) }
    #expect(problem?.kind == .missingInput && problem?.file == server.url("a"))
    #expect(names == ["file.zip.partial", "file.zip.partial.json"])
    var resumed: Int?
    try downloader().fetch(download) { resumed = resumed ?? $0.resumed }
    #expect(try Path.read(destination) == Self.content)
    #expect(names == ["file.zip"])
    let request = try #require(server.requests.last)
    let arrived = try #require(resumed)
    // How much of what was sent had arrived is up to the system.
    #expect(arrived > 0 && arrived <= 100_000)
    #expect(request.headers["range"] == "bytes=\(arrived)-")
    #expect(request.headers["if-range"] == tag)
  }

  @Test func triesAgainByItself() throws {
    let server = try breakingServer([100_000, 50_000])
    try downloader(attempts: 3).fetch(Download(url: server.url("a"), destination: destination))
    #expect(try Path.read(destination) == Self.content)
    #expect(server.requests.count == 3)
  }

  @Test func aChangedFileIsFetchedFromTheBeginning() throws {
    let tag = Mutex("\"one\"")
    let isBroken = Mutex(true)
    let server = try TestServer { request in
      var response = TestServer.Response.file(Self.content, for: request, tag: tag.withLock { $0 })
      if isBroken.withLock({ $0 }) { response.breaksAfter = 1000 }
      return response
    }
    let download = Download(url: server.url("a"), destination: destination)
    #expect(failure { try downloader().fetch(download) } != nil)
    tag.withLock { $0 = "\"two\"" }
    isBroken.withLock { $0 = false }
    try downloader().fetch(download)
    #expect(try Path.read(destination) == Self.content)
  }

  @Test func aServerWithoutRangesAndOneThatRefusesThem() throws {
    for status in [200, 416] {
      let count = Mutex(0)
      let server = try TestServer { request in
        let number = count.withLock { value in
          value += 1
          return value
        }
        if status == 416, request.headers["range"] != nil { return TestServer.Response(416) }
        var response = TestServer.Response(200, headers: [("ETag", "\"one\"")], body: Self.content)
        if number == 1 { response.breaksAfter = 70_000 }
        return response
      }
      try downloader(attempts: 4).fetch(Download(url: server.url("a"), destination: destination))
      #expect(try Path.read(destination) == Self.content)
      #expect(names == ["file.zip"])
    }
  }

  @Test func aPartThatIsNotOfTheFileIsNoticed() throws {
    let server = try TestServer { .file(Self.content, for: $0) }
    try AtomicFile.write([UInt8](repeating: 1, count: 5000), to: destination + ".partial")
    let note = "{\"url\": \"\(server.url("a"))\", \"tag\": \"\\\"one\\\"\", \"total\": \(Self.content.count)}"
    try AtomicFile.write(Array(note.utf8), to: destination + ".partial.json")
    try downloader().fetch(Download(url: server.url("a"), destination: destination, sha256: Self.digest))
    #expect(try Path.read(destination) == Self.content)
    #expect(server.requests.count == 2)
    // One of unknown origin is not even asked about.
    try AtomicFile.write([1, 2, 3], to: folder("other.partial"))
    try downloader().fetch(Download(url: server.url("a"), destination: folder("other")))
    #expect(try Path.read(folder("other")) == Self.content)
    #expect(server.requests.last?.headers["range"] == nil)
  }

  @Test func whatIsNotWhatWasExpectedIsDeleted() throws {
    let server = try TestServer { .file(Self.content, for: $0) }
    let wrong = String(repeating: "0", count: 64)
    let digest = failure {
      try downloader().fetch(Download(url: server.url("a"), destination: destination, sha256: wrong))
    }
    #expect(digest?.kind == .badInput && digest?.message.contains(Self.digest) == true)
    let size = failure {
      try downloader().fetch(Download(url: server.url("a"), destination: destination, expectedSize: 5))
    }
    #expect(size?.kind == .badInput && size?.message.contains("300000 bytes arrived where 5") == true)
    #expect(names == [])
  }

  @Test func refusalsAreToldInTheServersWords() throws {
    let server = try TestServer { request in
      switch request.target {
      case "/json":
        .init(403, headers: [("Content-Type", "application/json")], body: Array("{\"detail\": \"no licence\"}".utf8))
      case "/page": .init(404, headers: [("Content-Type", "text/html")], body: Array("<html>lost</html>".utf8))
      case "/away": .init(302, headers: [("Location", "/json")])
      case "/local": .init(302, headers: [("Location", "file:///etc/passwd")])
      case "/loop": .init(302, headers: [("Location", "/loop")])
      default: .init(500)
      }
    }
    func message(_ path: String, attempts: Int = 1) -> String {
      let download = Download(url: server.url(path), destination: destination)
      return failure { try downloader(attempts: attempts).fetch(download) }?.message ?? "no failure"
    }
    #expect(message("json") == "cannot be downloaded: the server answered with status 403: no licence")
    #expect(message("page") == "cannot be downloaded: the server answered with status 404")
    #expect(message("away").hasSuffix("status 403: no licence"))
    #expect(message("local").contains("cannot be downloaded"))
    #expect(message("loop").contains("redirects"))
    let before = server.requests.count
    #expect(message("busy", attempts: 3).hasSuffix("status 500"))
    #expect(server.requests.count - before == 3)
    #expect(names == [])
  }

  @Test func redirectionsAreFollowed() throws {
    let server = try TestServer { request in
      request.target == "/a"
        ? .init(302, headers: [("Location", "/b"), ("ETag", "\"of the redirection\"")])
        : .file(Self.content, for: request, tag: nil)
    }
    try downloader().fetch(Download(url: server.url("a"), destination: destination))
    #expect(try Path.read(destination) == Self.content)
  }

  @Test func aStalledConnectionIsGivenUp() throws {
    let server = try TestServer { request in
      var response = TestServer.Response.file(Self.content, for: request)
      response.stallsAfter = 1000
      return response
    }
    var downloader = downloader()
    downloader.stallSeconds = 1
    let problem = failure { try downloader.fetch(Download(url: server.url("a"), destination: destination)) }
    #expect(problem?.kind == .missingInput)
    #expect(names == ["file.zip.partial", "file.zip.partial.json"])
  }

  @Test func withoutAConnectionTheAddressIsNamed() throws {
    let url = "http://127.0.0.1:\(try TestServer.closedPort())/a"
    let problem = failure { try downloader(attempts: 3).fetch(Download(url: url, destination: destination)) }
    #expect(problem?.kind == .missingInput && problem?.file == url)
    #expect(problem?.hint?.contains("https_proxy") == true)
    #expect(names == [])
    let scheme = failure { try downloader().fetch(Download(url: "ftp://a/b", destination: destination)) }
    #expect(scheme?.kind == .usage)
  }

  @Test func bodiesArePosted() throws {
    let server = try TestServer { .init(200, body: $0.body) }
    let body = JSON.object(["license_number": .string("aca_"), "task": .string("face")])
    // Nothing of an earlier answer is used.
    try AtomicFile.write([1, 2, 3], to: destination + ".partial")
    try downloader().fetch(Download(url: server.url("a"), destination: destination, body: body))
    #expect(try JSON.read(destination) == body)
    let request = try #require(server.requests.first)
    #expect(request.method == "POST" && request.headers["content-type"] == "application/json")
    #expect(request.headers["range"] == nil)
  }

  @Test func oneFileIsFetchedOnce() throws {
    let server = try TestServer { .file(Self.content, for: $0) }
    let holder = try PartialFile(for: destination)
    let problem = failure { try downloader().fetch(Download(url: server.url("a"), destination: destination)) }
    #expect(problem?.kind == .cannotWrite && problem?.message == "another process is downloading to it")
    withExtendedLifetime(holder) {}
  }
}
