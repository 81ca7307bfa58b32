import Basics
import Dispatch
import Training

/// Turns the events of a training into lines: a live line on a terminal, plain lines otherwise.
final class TrainingReporter: @unchecked Sendable {
  private let showsProgress: Bool
  private var clock = Stopwatch()
  private var sinceShown = 1.0
  private let lock = DispatchSemaphore(value: 1)

  init(showsProgress: Bool) { self.showsProgress = showsProgress && Console.isInteractive }

  /// Called from several threads.
  @Sendable func report(_ event: TrainingEvent) {
    lock.wait()
    defer { lock.signal() }
    switch event {
    case .note(let text): say(text)
    case .warning(let text):
      if showsProgress { Console.clearTransient() }
      Console.error("warning: \(text)")
    case .advanced(let epoch, let epochs, let done, let total, let loss, let secondsLeft):
      sinceShown += clock.lap()
      guard showsProgress, sinceShown > 0.2 || done == total else { return }
      sinceShown = 0
      Console.transient(
        "epoch \(epoch + 1)/\(epochs): \(done)/\(total), loss \(loss.decimals(4)), \(secondsLeft.duration) left")
    case .finishedEpoch(let epoch):
      let dice = epoch.dice.map { $0.decimals(4) }.joined(separator: " ")
      say(
        "epoch \(epoch.epoch + 1)/\(epoch.epochs): train loss \(epoch.trainingLoss.decimals(4)), validation loss "
          + "\(epoch.validationLoss.decimals(4)), pseudo Dice \(dice)\(epoch.isBest ? " (best so far)" : ""), "
          + "\(epoch.seconds.duration), \(epoch.iterationsPerSecond.brief) batches/s, "
          + "\((100 * epoch.waitingShare).decimals(1)) % waiting for data, \(epoch.secondsLeft.duration) left")
    case .validating(let identifier, let number, let total): say("validating [\(number)/\(total)] \(identifier)")
    case .validated(let dice, let summary): say("mean validation Dice \(dice.decimals(4)) -> \(summary)")
    }
  }

  private func say(_ line: String) {
    if showsProgress { Console.clearTransient() }
    Console.print(line)
  }
}
