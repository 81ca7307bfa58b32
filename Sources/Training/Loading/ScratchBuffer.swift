import Engines

/// Makes memory that a device reads by itself, of so many bytes; nil where there is none.
typealias PinnedMemorySource = @Sendable (_ byteCount: Int) -> PinnedMemory?

/// Memory that grows when need be, for one thread.
final class ScratchBuffer<Element: BitwiseCopyable> {
  private var memory = UnsafeMutableBufferPointer<Element>(start: nil, count: 0)
  /// What the memory belongs to; nil if it is ours.
  private var owner: PinnedMemory?
  private let zero: Element
  private let pinned: PinnedMemorySource?

  /// - Parameter pinned: where the memory is taken from, as long as there is any.
  init(_ zero: Element, pinned: PinnedMemorySource? = nil) {
    self.zero = zero
    self.pinned = pinned
  }

  deinit { release() }

  private func release() {
    if owner == nil { memory.deallocate() }
    owner = nil
  }

  /// Room for so many elements, with whatever was in it.
  func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
    if let base = memory.baseAddress, memory.count >= count { return base }
    release()
    let count = max(1, count)
    owner = pinned?(count * MemoryLayout<Element>.stride)
    let base =
      owner.map { $0.base.bindMemory(to: Element.self, capacity: count) }
      ?? UnsafeMutablePointer<Element>.allocate(capacity: count)
    base.initialize(repeating: zero, count: count)
    memory = UnsafeMutableBufferPointer(start: base, count: count)
    return base
  }
}
