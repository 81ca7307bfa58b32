import ArgumentParser
import Basics
import Downloading
import NNUNet

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `microtome install-model`, `nnUNetv2_install_pretrained_model_from_zip` and
/// `nnUNetv2_download_pretrained_model_by_url`
struct InstallModel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "install-model",
    abstract: "Unpacks an archive of trained models into nnUNet_results; from a file or from an address.")

  @Argument(help: "A ZIP archive, or where it is to be downloaded from (http, https).")
  var archive: String

  @Option(help: "In hexadecimal: what a downloaded archive must have.")
  var sha256: String?

  /// Where archives are kept while they arrive.
  private static let downloads = ".downloads"

  func run() throws {
    Interruption.watch()
    let results = try ResultsFolder { Environment[$0] }.path
    let isAddress = ["http://", "https://"].contains(where: archive.lowercased().hasPrefix)
    // Goes only when nothing is left in it to go on from.
    defer { rmdir(Path.join(results, Self.downloads)) }
    let path = isAddress ? try download(to: results) : archive
    let folders: [String]
    do {
      folders = try ModelInstallation(results: results).install(archive: path)
    } catch let failure as Failure {
      // What has arrived is of no use; without it the next attempt begins anew.
      if isAddress, failure.kind == .badInput { unlink(path) }
      throw failure
    }
    if isAddress { unlink(path) }
    for folder in folders { Console.print("installed \(folder)") }
  }

  private func download(to results: String) throws -> String {
    let folder = Path.join(results, Self.downloads)
    try Path.makeFolder(folder)
    var digest = Fingerprint()
    digest.add(archive)
    let path = Path.join(folder, digest.hexadecimal + ".zip")
    // An archive that arrived whole, but could not be installed then, need not be fetched again.
    if Path.isFile(path) { return path }
    try Downloader().fetch(Download(url: archive, destination: path, sha256: sha256)) { progress in
      guard Console.isInteractive else { return }
      let total = progress.total.map { " of \((Double($0) / 1_048_576).decimals(1))" } ?? ""
      Console.transient("\((Double(progress.received) / 1_048_576).decimals(1))\(total) MiB")
    }
    if Console.isInteractive { Console.clearTransient() }
    return path
  }
}
