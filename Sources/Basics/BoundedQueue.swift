import Dispatch

/// A first-in first-out hand-over between two threads that holds at most `capacity` items.
///
/// The producer takes a slot *before* it makes an item, so that work in progress counts towards the bound.
public final class BoundedQueue<Item: Sendable>: @unchecked Sendable {
  private let slots: DispatchSemaphore
  private let filled = DispatchSemaphore(value: 0)
  private let lock = DispatchSemaphore(value: 1)
  private var items: [Item?] = []

  public init(capacity: Int) {
    // A semaphore must not be destroyed below the value it was made with, so the slots are signalled into it.
    slots = DispatchSemaphore(value: 0)
    for _ in 0..<capacity { slots.signal() }
  }

  /// Waits until there is room for one more item.
  public func reserve() { slots.wait() }

  /// Appends an item into a slot that was reserved.
  public func push(_ item: Item) { append(item) }

  /// Says that no item will follow. Takes no slot.
  public func finish() { append(nil) }

  /// Waits for the next item and frees its slot; nil at the end, however often it is asked.
  public func pop() -> Item? {
    filled.wait()
    lock.wait()
    defer { lock.signal() }
    guard let item = items[0] else {
      filled.signal()
      return nil
    }
    items.removeFirst()
    slots.signal()
    return item
  }

  /// Waits for the next item for a limited time; nil when none came, and at the end.
  public func pop(within seconds: Double) -> Item? {
    guard filled.wait(timeout: .now() + seconds) == .success else { return nil }
    filled.signal()
    return pop()
  }

  private func append(_ item: Item?) {
    lock.wait()
    items.append(item)
    lock.signal()
    filled.signal()
  }
}
