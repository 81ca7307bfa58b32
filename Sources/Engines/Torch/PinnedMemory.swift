import CTorch

/// Memory of the processor that a device reads by itself: an array that is copied from here to the device must not be
/// changed before something the device computed afterwards has been waited for.
public final class PinnedMemory: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  private let tensor: TorchTensor

  /// Nil where there is no such memory, or no more of it.
  init?(_ library: TorchLibrary, byteCount: Int) {
    var handle: OpaquePointer?
    let count = max(1, (byteCount + 3) / 4)
    guard mt_torch_empty_pinned(library.functions, Int64(count), &handle) == 0,
      let tensor = try? TorchTensor(handle, library: library), let values = try? tensor.values
    else { return nil }
    base = UnsafeMutableRawPointer(values)
    self.tensor = tensor
  }
}
