import Basics
import CKernels
import Synchronization

extension Volume where Element == UInt8 {
  /// Whether two voxels that share a face carry different labels, neither of them 0 (single-channel label map).
  public var hasTouchingLabels: Bool {
    let shape = self.shape
    let found = Atomic(false)
    elements.withUnsafeBufferPointer { voxels in
      guard let base = voxels.baseAddress, shape.count > 0 else { return }
      let source = Shared(base)
      Parallel.ranges(shape.z * shape.y, minimum: 64) { rows in
        for row in rows {
          guard !found.load(ordering: .relaxed) else { return }
          let here = source.value + row * shape.x
          let meets =
            mt_labels_meet(here, here + 1, shape.x - 1) != 0
            || row % shape.y > 0 && mt_labels_meet(here, here - shape.x, shape.x) != 0
            || row >= shape.y && mt_labels_meet(here, here - shape.y * shape.x, shape.x) != 0
          if meets { found.store(true, ordering: .relaxed) }
        }
      }
    }
    return found.load(ordering: .relaxed)
  }
}
