import Basics
import Engines
import NNUNet

/// Turns the events of a run into lines: a live line on a terminal, plain lines otherwise.
final class ProgressReporter: @unchecked Sendable {
  private var caseCount: Int
  private let showsProgress: Bool
  private let isVerbose: Bool
  private var begun = 0
  private var finished = 0
  /// Forward passes and seconds so far, for the pace.
  private var passes = 0
  private var seconds = 0.0
  private var clock = Stopwatch()
  private var lastShown = 0.0

  init(caseCount: Int, showsProgress: Bool, isVerbose: Bool) {
    self.caseCount = caseCount
    self.showsProgress = showsProgress && Console.isInteractive
    self.isVerbose = isVerbose
  }

  /// Called by the run, one event at a time.
  @Sendable func report(_ event: PredictionEvent) {
    switch event {
    case .stage(_, let cases): (caseCount, begun, finished) = (cases, 0, 0)
    case .ready(let engine, let precision, let notes):
      say("engine: \(engine), \(precision.rawValue)")
      for note in notes { say("note: \(note)") }
      _ = clock.lap()
    case .began: begun += 1
    case .advanced(let identifier, let done, let total): advance(identifier, done, total)
    case .finished(let identifier, let output, let timing):
      finished += 1
      let all = timing.read + timing.prepare + timing.predict + timing.write
      say("[\(finished)/\(caseCount)] \(identifier): \(all.brief) s -> \(output)")
      if isVerbose {
        say(
          "    read \(timing.read.brief) s, prepare \(timing.prepare.brief) s, predict \(timing.predict.brief) s, "
            + "write \(timing.write.brief) s")
      }
    case .failed(let identifier, let failure): complain("\(identifier): failed: \(failure)")
    case .skipped(let identifier): say("\(identifier): done before")
    case .warning(let text): complain("warning: \(text)")
    }
  }

  /// The closing line.
  func summarize(_ summary: PredictionRun.Summary, seconds: Double) {
    var parts = ["\(summary.finished) segmented"]
    if summary.skipped > 0 { parts.append("\(summary.skipped) done before") }
    if !summary.failures.isEmpty { parts.append("\(summary.failures.count) failed") }
    say("\(parts.joined(separator: ", ")) in \(seconds.duration)")
  }

  private func advance(_ identifier: String, _ done: Int, _ total: Int) {
    passes += 1
    seconds += clock.lap()
    guard showsProgress, seconds - lastShown > 0.1 || done == total else { return }
    lastShown = seconds
    let pace = Double(passes) / max(seconds, 1e-9)
    let left = Double(total - done) / pace
    Console.transient(
      "case \(begun)/\(caseCount) \(identifier): patch \(done)/\(total), \(pace.brief) patches/s, \(left.duration) left"
    )
  }

  private func say(_ line: String) {
    if showsProgress { Console.clearTransient() }
    Console.print(line)
  }

  private func complain(_ line: String) {
    if showsProgress { Console.clearTransient() }
    Console.error(line)
  }
}
