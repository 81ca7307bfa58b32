import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Works on many independent cases at once, as many as cores and memory allow.
public enum CaseWorkers {
  /// Calls `body` for every index in `0..<count`, in order of beginning, on at most `limit` threads (all cores by default).
  ///
  /// A case waits until the memory it is expected to need is free; one that needs more than there is runs alone.
  ///
  /// - Parameters:
  ///   - cost: the bytes a case is expected to need; asked once per case.
  ///   - failed: is told of a case that failed, one call at a time. The others go on.
  /// - Throws: `interrupted` when the user has asked to stop.
  public static func run(
    _ count: Int, limit: Int? = nil, cost: @escaping @Sendable (Int) -> Int,
    failed: @escaping @Sendable (Int, Failure) -> Void, _ body: @escaping @Sendable (Int) throws -> Void
  ) throws {
    let workers = max(1, min(count, limit ?? Parallel.coreCount, Parallel.coreCount))
    let next = Atomic(0)
    let gate = MemoryGate(capacity: availableMemory / 2)
    let complaints = Mutex(())
    let work: @Sendable (Int) -> Void = { _ in
      while !Interruption.isRequested {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        let need = max(0, cost(index))
        gate.enter(need)
        defer { gate.leave(need) }
        do {
          try body(index)
        } catch {
          complaints.withLock { _ in failed(index, Failure(wrapping: error)) }
        }
      }
    }
    if workers == 1 { work(0) } else { DispatchQueue.concurrentPerform(iterations: workers, execute: work) }
    if Interruption.isRequested { throw stopped }
  }

  /// The results of `body` in the order of `items`, from at most `limit` threads (all cores, but no more than eight, by
  /// default: within a case all cores work together, and more cases in hand only need more memory).
  ///
  /// Throws the failure of the first item that failed, and `interrupted` when the user asks to stop; items that nobody has
  /// begun by then are left.
  public static func map<Item: Sendable, Result: Sendable>(
    _ items: [Item], limit: Int = 8, _ body: @Sendable (Int, Item) throws -> Result
  ) throws -> [Result] {
    let next = Atomic(0)
    let results = Mutex<[Result?]>([Result?](repeating: nil, count: items.count))
    let failed = Mutex<(index: Int, error: any Error)?>(nil)
    Parallel.forEach(max(1, min(items.count, limit, Parallel.coreCount))) { _ in
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < items.count, failed.withLock({ $0 == nil }) else { return }
        do {
          if Interruption.isRequested { throw stopped }
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

  private static var stopped: Failure { Failure(.interrupted, "stopped by the user") }

  /// The memory this process may use, in bytes: the machine's, capped by its cgroup's limit.
  public static let availableMemory: Int = {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let machine = pages > 0 ? Int(pages) * Int(sysconf(Int32(_SC_PAGESIZE))) : 8 << 30
    guard let text = try? Path.readStream("/sys/fs/cgroup/memory.max"),
      let limit = Int(text.prefix { $0.isNumber })
    else { return machine }
    return min(machine, limit)
  }()
}

/// Lets work begin while the memory it needs is free.
private final class MemoryGate: Sendable {
  private let capacity: Int
  private let inside = Mutex((bytes: 0, count: 0))

  init(capacity: Int) { self.capacity = capacity }

  func enter(_ bytes: Int) {
    let capacity = self.capacity
    // Cases take tenths of seconds to minutes; looking every few milliseconds costs nothing.
    while !inside.withLock({ state in
      guard state.count == 0 || state.bytes + bytes <= capacity else { return false }
      state = (state.bytes + bytes, state.count + 1)
      return true
    }) { usleep(5000) }
  }

  func leave(_ bytes: Int) { inside.withLock { $0 = ($0.bytes - bytes, $0.count - 1) } }
}

extension Path {
  /// The first bytes of a file that cannot be mapped (the kernel's own), as text.
  fileprivate static func readStream(_ path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw Failure(.missingInput, systemMessage(), file: path) }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = fread(&buffer, 1, buffer.count, file)
    return String(decoding: buffer.prefix(count), as: UTF8.self)
  }
}
