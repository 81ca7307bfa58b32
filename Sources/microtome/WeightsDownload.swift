import ArgumentParser
import Basics
import Downloading
import TotalSegmentator

/// Fetches several weights, one after the other, and tells how it goes.
struct WeightsDownload {
  let store: WeightStore
  let names: [String]
  let isForced: Bool

  /// A failure does not keep the others from being fetched; the exit code is that of the first.
  func run() throws {
    Interruption.watch()
    var seen = Set<String>()
    let sources = try names.flatMap { try store.catalogue.sources(forDownload: $0) }.filter {
      seen.insert($0.id).inserted
    }
    var first: Failure?
    for source in sources {
      do {
        switch try fetch(source) {
        case .wasInstalled: Console.print("\(source.folder) is installed")
        case .installed(let folder): Console.print("installed \(folder)")
        }
      } catch let failure as Failure {
        if Console.isInteractive { Console.clearTransient() }
        Console.error("error: \(source.folder): \(failure)")
        if failure.kind == .interrupted { throw ExitCode(failure.kind.rawValue) }
        first = first ?? failure
      }
    }
    tellOfCompanions(fetched: seen)
    if let first { throw ExitCode(first.kind.rawValue) }
  }

  /// Weights of one task may be of no use without those of another, which matters where there is no connection later.
  private func tellOfCompanions(fetched: Set<String>) {
    for task in store.catalogue.tasks where names.contains(task.name) {
      let missing = store.catalogue.companions(of: task).map(String.init).filter { id in
        !fetched.contains(id) && (try? store.catalogue.source(id)).map(store.state) != .installed
      }
      if missing.isEmpty { continue }
      Console.print(
        "note: \(task.name) also needs datasets of other tasks: microtome weights download "
          + missing.joined(separator: " "))
    }
  }

  private func fetch(_ source: ModelSource) throws -> WeightInstaller.DownloadResult {
    let installer = WeightInstaller(store: store)
    var clock = Stopwatch()
    var (elapsed, shown) = (0.0, -1.0)
    var begun = false
    let result = try installer.download(source, isForced: isForced) { progress in
      elapsed += clock.lap()
      if !begun {
        begun = true
        if !Console.isInteractive { Console.print("fetching \(source.folder)\(Self.size(progress))") }
      }
      guard Console.isInteractive, elapsed - shown > 0.2 else { return }
      shown = elapsed
      Console.transient(Self.line(source.folder, progress, elapsed))
    }
    if Console.isInteractive { Console.clearTransient() }
    return result
  }

  private static func size(_ progress: DownloadProgress) -> String {
    var text = progress.total.map { ", \(mebibytes($0)) MiB" } ?? ""
    if progress.resumed > 0 { text += ", \(mebibytes(progress.resumed)) MiB of it were there" }
    return text
  }

  private static func line(_ name: String, _ progress: DownloadProgress, _ elapsed: Double) -> String {
    let pace = Double(progress.received - progress.resumed) / max(elapsed, 0.1)
    var text = "\(name): \(mebibytes(progress.received))"
    if let total = progress.total {
      text += " of \(mebibytes(total)) MiB, \(Int(100 * Double(progress.received) / Double(max(total, 1)))) %"
      text += ", \((Double(total - progress.received) / max(pace, 1)).duration) left"
    } else {
      text += " MiB"
    }
    return text + ", \((pace / 1_048_576).brief) MiB/s"
  }

  private static func mebibytes(_ count: Int) -> String { (Double(count) / 1_048_576).decimals(1) }
}
