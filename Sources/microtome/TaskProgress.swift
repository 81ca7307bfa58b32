import Basics
import Engines
import TotalSegmentator

/// Turns the events of a task's run into lines: a live line on a terminal, plain lines otherwise.
final class TaskProgress: @unchecked Sendable {
  private let caseCount: Int
  private let isQuiet: Bool
  private let isVerbose: Bool
  private let showsProgress: Bool
  private var begun = 0
  private var finished = 0
  private var pace = 0.0
  private var clock = Stopwatch()

  init(caseCount: Int, isQuiet: Bool, isVerbose: Bool) {
    self.caseCount = caseCount
    self.isQuiet = isQuiet
    self.isVerbose = isVerbose
    showsProgress = Console.isInteractive && !isQuiet
  }

  /// Called by the run, one event at a time.
  @Sendable func report(_ event: TaskEvent) {
    switch event {
    case .ready(let engine, let precision, let notes):
      say("engine: \(engine), \(precision.rawValue)")
      for note in notes { say("note: \(note)") }
    case .began: begun += 1
    case .advanced(let stage, let done, let total): advance(stage, done, total)
    case .note(let text): say("note: \(text)")
    case .warning(let text): complain("warning: \(text)")
    case .finished(let identifier, let outputs, let timing):
      finished += 1
      let all = timing.read + timing.segment + timing.write
      let places = outputs.isEmpty ? "nothing written" : outputs.joined(separator: ", ")
      say("[\(finished)/\(caseCount)] \(identifier): \(all.brief) s -> \(places)")
      if isVerbose {
        say(
          "    read \(timing.read.brief) s, networks \(timing.networks.brief) s, around them "
            + "\((timing.segment - timing.networks).brief) s, write \(timing.write.brief) s")
      }
    case .failed(let identifier, let failure): complain("\(identifier): failed: \(failure)")
    }
  }

  /// The closing line.
  func summarize(_ summary: TaskRun.Summary, seconds: Double) {
    guard caseCount > 1 else { return }
    let failed = summary.failures.isEmpty ? "" : ", \(summary.failures.count) failed"
    say("\(summary.finished) segmented\(failed) in \(seconds.duration)")
  }

  private func advance(_ stage: String, _ done: Int, _ total: Int) {
    let seconds = clock.lap()
    pace = done == 1 || pace == 0 ? seconds : 0.8 * pace + 0.2 * seconds
    guard showsProgress else { return }
    let left = Double(total - done) * pace
    Console.transient("case \(begun)/\(caseCount) \(stage): patch \(done)/\(total), \(left.duration) left")
  }

  private func say(_ line: String) {
    guard !isQuiet else { return }
    if showsProgress { Console.clearTransient() }
    Console.print(line)
  }

  private func complain(_ line: String) {
    if showsProgress { Console.clearTransient() }
    Console.error(line)
  }
}
