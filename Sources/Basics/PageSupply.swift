import Dispatch
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Makes the pages of a large buffer on another core, ahead of a computation that fills it from one core alone.
///
/// The first touch of a page costs a visit to the kernel, which clears it. For a volume being inflated that is a third
/// of the time, while the other cores have nothing to do. The content of the buffer stays as it is, so its owner may
/// write anywhere meanwhile. Where the system cannot do that, nothing happens.
public final class PageSupply: Sendable {
  private let isCancelled = Atomic(false)
  /// Set by whoever comes first: the supply when it begins, or `stop` when it never will.
  private let isClaimed = Atomic(false)
  private let group = DispatchGroup()

  /// Begins with the bytes at `offset`; those before come last.
  public init(_ buffer: UnsafeMutableRawBufferPointer, startingAt offset: Int = 0) {
    #if os(Linux)
      let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))
      guard buffer.count >= 32 << 20, Parallel.coreCount > 1, pageSize > 0 else { return }
      let base = Int(bitPattern: buffer.baseAddress)
      // Whole pages only.
      let first = (base + pageSize - 1) / pageSize * pageSize
      let last = (base + buffer.count) / pageSize * pageSize
      let middle = min(max(first, (base + offset) / pageSize * pageSize), last)
      DispatchQueue.global().async(group: group) { [self] in
        guard !isClaimed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        supply(middle..<last)
        supply(first..<middle)
      }
    #endif
  }

  /// Ends the supply; the buffer may be freed after that.
  public func stop() {
    isCancelled.store(true, ordering: .relaxed)
    // With all threads busy it may still be in the queue, and waiting for a thread would only keep this one too.
    if isClaimed.exchange(true, ordering: .acquiringAndReleasing) { group.wait() }
  }

  #if os(Linux)
    private func supply(_ addresses: Range<Int>) {
      let step = 4 << 20
      for address in stride(from: addresses.lowerBound, to: addresses.upperBound, by: step) {
        let length = min(step, addresses.upperBound - address)
        let populateForWriting: Int32 = 23  // MADV_POPULATE_WRITE of <sys/mman.h>, since Linux 5.14
        if isCancelled.load(ordering: .relaxed) { return }
        guard madvise(UnsafeMutableRawPointer(bitPattern: address), length, populateForWriting) == 0 else { return }
      }
    }
  #endif
}
