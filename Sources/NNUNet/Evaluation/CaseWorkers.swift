import Basics
import Synchronization

/// Does something for every case on several threads; memory is bounded by the number of threads.
enum CaseWorkers {
  /// The number of cases in hand at a time. More would need more memory, and within a case all cores work together.
  static let count = min(Parallel.coreCount, 8)

  /// The results in the order of `items`.
  ///
  /// Throws the failure of the first item that failed, and `interrupted` when the user asks to stop; items that nobody has
  /// begun by then are left.
  static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], workers: Int = count, _ body: @Sendable (Int, Item) throws -> Result
  ) throws -> [Result] {
    let next = Atomic(0)
    let results = Mutex<[Result?]>([Result?](repeating: nil, count: items.count))
    let failed = Mutex<(index: Int, error: any Error)?>(nil)
    Parallel.forEach(min(max(1, workers), items.count)) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < items.count, failed.withLock({ $0 == nil }) else { return }
        do {
          if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
          let result = try body(index, items[index])
          results.withLock { $0[index] = result }
        } catch {
          failed.withLock { if $0.map({ index < $0.index }) ?? true { $0 = (index, error) } }
        }
      }
    }
    if let (_, error) = failed.withLock({ $0 }) { throw error }
    return results.withLock { $0.compactMap(\.self) }
  }
}
