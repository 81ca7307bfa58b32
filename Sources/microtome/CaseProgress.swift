import Synchronization

/// A line that says how many cases are done, for commands that go through a folder.
final class CaseProgress: Sendable {
  private let what: String
  private let shown = Mutex(0)

  /// - Parameter what: what is being done, as "evaluating".
  init(_ what: String) { self.what = what }

  /// May be called from several threads.
  @Sendable func report(_ done: Int, _ total: Int) {
    guard Console.isInteractive else { return }
    shown.withLock { shown in
      guard done > shown || done == 1 else { return }
      shown = done
      Console.transient("\(what): \(done) of \(total)")
      if done == total { Console.clearTransient() }
    }
  }
}
