/// Memory for single-precision numbers that lives as long as the object.
final class HostMemory {
  let values: UnsafeMutableBufferPointer<Float>

  /// Uninitialised; aligned for vector registers.
  init(count: Int) {
    values = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count) * 4, alignment: 64)
      .bindMemory(to: Float.self)
  }

  convenience init(_ content: [Float]) {
    self.init(count: content.count)
    _ = values.update(fromContentsOf: content)
  }

  deinit { UnsafeMutableRawBufferPointer(values).deallocate() }
}
