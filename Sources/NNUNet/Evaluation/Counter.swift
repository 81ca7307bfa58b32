import Synchronization

/// Counts finished cases on several threads and tells somebody.
final class Counter: Sendable {
  private let done = Atomic(0)
  private let total: Int
  private let report: @Sendable (_ done: Int, _ total: Int) -> Void

  init(total: Int, report: @escaping @Sendable (_ done: Int, _ total: Int) -> Void) {
    self.total = total
    self.report = report
  }

  func advance() { report(done.wrappingAdd(1, ordering: .relaxed).newValue, total) }
}
