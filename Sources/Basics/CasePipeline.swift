import Dispatch
import Synchronization

/// Moves items through three stages on three threads: one reads ahead, one works, one writes behind.
///
/// The queues between them hold one item each, so memory does not grow with the number of items. An item that fails is
/// reported and the others go on.
public enum CasePipeline {
  /// - Parameters:
  ///   - read: runs ahead of the work, on a thread of its own.
  ///   - work: runs on the calling thread, in order. A failure of kind `engine` or `interrupted` ends the run.
  ///   - write: runs behind the work, on a thread of its own.
  ///   - failed: is told of an item's failure, from any of the threads.
  /// - Throws: the failure that ended the run; everything handed to `write` before has been written then.
  public static func run<Item: Sendable, Input: Sendable, Output: Sendable>(
    _ items: [Item], read: @escaping @Sendable (Item) throws -> Input, work: (Item, Input) throws -> Output,
    write: @escaping @Sendable (Item, Output) throws -> Void, failed: @escaping @Sendable (Item, Failure) -> Void
  ) throws {
    let ahead = BoundedQueue<(Item, Result<Input, any Error>)>(capacity: 1)
    let behind = BoundedQueue<(Item, Output)>(capacity: 1)
    let stop = Flag()
    let threads = DispatchGroup()
    DispatchQueue(label: "microtome.read").async(group: threads) {
      for item in items {
        ahead.reserve()
        guard !stop.isSet else { break }
        ahead.push((item, Result { try read(item) }))
      }
      ahead.finish()
    }
    DispatchQueue(label: "microtome.write").async(group: threads) {
      while let (item, output) = behind.pop() {
        do { try write(item, output) } catch { failed(item, Failure(wrapping: error)) }
      }
    }
    let outcome = Result {
      while let (item, input) = ahead.pop() {
        do {
          try Interruption.check()
          let output = try work(item, input.get())
          behind.reserve()
          behind.push((item, output))
        } catch {
          let failure = Failure(wrapping: error)
          if failure.kind == .interrupted || failure.kind == .engine { throw failure }
          failed(item, failure)
        }
      }
    }
    // However the run ended, both threads are told and waited for, so that no output is left half-written.
    stop.set()
    behind.finish()
    while ahead.pop() != nil {}
    threads.wait()
    try outcome.get()
  }
}

/// Says to another thread that it should end.
private final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

extension Failure {
  /// An error as a failure; one that nobody foresaw is internal.
  public init(wrapping error: any Error) { self = error as? Failure ?? Failure(.internalError, "\(error)") }
}
