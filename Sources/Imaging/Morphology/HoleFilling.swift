import Basics

extension Volume where Element == UInt8 {
  /// Sets to 1 every 0 that is cut off from the outside of the volume (single-channel mask, 6-connected background).
  ///
  /// A background voxel on any face of the volume is outside, so a hole that reaches the first or last slice stays, and
  /// in a volume of one slice nothing is filled.
  public mutating func fillHoles() {
    let shape = self.shape
    guard shape.z > 2, shape.y > 2, shape.x > 2 else { return }
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let background = ForegroundRuns(UnsafePointer(base), shape: shape, connectivity: .faces, inverted: true)
      var isOutside = [Bool](repeating: false, count: background.runs.count)
      for (run, root) in zip(background.runs, background.roots) {
        let (z, y) = Int(run.row).quotientAndRemainder(dividingBy: shape.y)
        if z == 0 || y == 0 || run.start == 0 || z == shape.z - 1 || y == shape.y - 1 || Int(run.end) == shape.x {
          isOutside[Int(root)] = true
        }
      }
      for (run, root) in zip(background.runs, background.roots) where !isOutside[Int(root)] {
        let row = base + Int(run.row) * shape.x
        (row + Int(run.start)).update(repeating: 1, count: Int(run.end - run.start))
      }
    }
  }
}
