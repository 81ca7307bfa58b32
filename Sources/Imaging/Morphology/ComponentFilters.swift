import Basics
import CKernels

extension Volume where Element == UInt8 {
  /// Sets to 0 the connected components of each of `labels` that have no more than `limit` voxels (single-channel label map).
  ///
  /// A component is made of voxels of one label; all labels are done in one pass. TotalSegmentator's "remove small blobs"
  /// with a volume of v mm³ is a limit of v / voxel volume, rounded down, and faces.
  public mutating func removeSmallComponents(
    of labels: LabelSet = .all, atMost limit: Int, connectivity: Connectivity = .faces
  ) {
    let shape = self.shape
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress, !labels.isEmpty else { return }
      let found = ForegroundRuns(UnsafePointer(base), shape: shape, of: .labels(labels), connectivity: connectivity)
      // Above 1e10 voxels the reference drops a component too.
      found.paint(found.sizes().map { $0 <= limit || $0 > 10_000_000_000 ? 0 : nil }, over: base)
    }
  }

  /// Sets to 0 the voxels of `label` that are not in its largest connected component (single-channel label map).
  ///
  /// Of equally large components the one stays whose first voxel comes first in `order`.
  public mutating func keepLargestComponent(
    of label: UInt8, connectivity: Connectivity = .faces, order: ScanOrder
  ) {
    let shape = self.shape
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress, label != 0 else { return }
      let found = ForegroundRuns(UnsafePointer(base), shape: shape, of: .labels([label]), connectivity: connectivity)
      let sizes = found.sizes()
      guard let largest = sizes.max() else { return }
      var winner = -1
      var first = Shape3D(0, 0, 0)
      for (run, component) in zip(found.runs, found.components) where sizes[Int(component)] == largest {
        let (z, y) = Int(run.row).quotientAndRemainder(dividingBy: shape.y)
        let voxel = Shape3D(z, y, Int(run.start))
        guard winner < 0 || order.isBefore(voxel, first) else { continue }
        (winner, first) = (Int(component), voxel)
      }
      found.paint(sizes.indices.map { $0 == winner ? nil : 0 }, over: base)
    }
  }
}
