import Basics
import Checkpoints
import Downloading

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension WeightInstaller {
  /// What a download did.
  public enum DownloadResult: Sendable, Equatable {
    case wasInstalled
    case installed(folder: String)
  }

  /// Downloads and installs the weights of a source, unless they are there.
  ///
  /// An archive that has arrived in part is kept in `.downloads` of the weights folder, and the next call goes on from
  /// there. Open weights are fetched from their address. Licensed weights are asked for at the licence server with the
  /// number in TotalSegmentator's configuration; nothing else is sent.
  ///
  /// - Parameters:
  ///   - isForced: Whether to do so even if they are there.
  ///   - progress: Called as bytes arrive.
  ///
  /// Throws `usage` when a licence is needed and there is none; otherwise what `Downloader.fetch` and `install` throw.
  public func download(
    _ source: ModelSource, isForced: Bool = false, downloader: Downloader = Downloader(),
    progress: ((DownloadProgress) -> Void)? = nil
  ) throws -> DownloadResult {
    if !isForced, store.state(of: source) == .installed { return .wasInstalled }
    if let url = source.url, url.hasPrefix("file://") {
      try install(archive: String(url.dropFirst(7)), expecting: source)
      return .installed(folder: store.folder(of: source))
    }
    let folder = Path.join(store.folders.weights, ".downloads")
    let archive = Path.join(folder, source.folder.split(separator: "/").joined(separator: "-") + ".zip")
    let request = try request(for: source, destination: archive)
    try Path.makeFolder(folder)
    defer { rmdir(folder) }
    do {
      if !Path.isFile(archive) { try downloader.fetch(request, progress: progress) }
      try refusePages(archive, source)
      try install(archive: archive, expecting: source)
    } catch var failure as Failure {
      if failure.kind == .badInput { unlink(archive) }
      if failure.kind == .missingInput {
        failure.hint = [failure.hint, store.manualRemedy(for: source)].compactMap { $0 }.joined(separator: "; or ")
      }
      throw failure
    }
    unlink(archive)
    return .installed(folder: store.folder(of: source))
  }

  private func request(for source: ModelSource, destination: String) throws -> Download {
    if let url = source.url {
      return Download(url: url, destination: destination, sha256: source.sha256)
    }
    guard let task = source.licenseTask, let server = store.catalogue.license else {
      throw Failure(
        .usage, "the catalogue does not say where the weights \(source.folder) come from",
        hint: "add a \"url\" to the dataset, or copy them to \(store.folder(of: source))")
    }
    let number = try LicenseConfiguration(folders: store.folders)
      .requiredNumber(for: "\(task) (\(source.folder))", from: server)
    let body: JSONObject = [
      "license_number": .string(number), "task": .string(task), "version": .string(server.version),
    ]
    return Download(url: server.downloads, destination: destination, sha256: source.sha256, body: .object(body))
  }

  /// Servers and proxies may answer with a page or a message where an archive was asked for.
  private func refusePages(_ archive: String, _ source: ModelSource) throws {
    let file = try MappedFile(path: archive)
    try withExtendedLifetime(file) {
      guard !ZipArchive.hasMagic(file.bytes) else { return }
      var words = "something else"
      let text = file.bytes.prefix(200)
      if file.bytes.count < 4096, let message = String(validating: text, as: UTF8.self) {
        words = "the message \"\(message.split(whereSeparator: \.isNewline).joined(separator: " "))\""
      }
      throw Failure(
        .badInput, "sent \(words) instead of a ZIP archive", file: source.url ?? store.catalogue.license?.downloads,
        hint: source.licenseTask == nil
          ? "a proxy or a login page may be in between" : "check the licence number in the configuration")
    }
  }
}
