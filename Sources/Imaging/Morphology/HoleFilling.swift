import Basics
import CKernels

extension Volume where Element == UInt8 {
  /// Sets to 1 every 0 that is cut off from the outside of the volume (single-channel mask, 6-connected background).
  ///
  /// A background voxel on any face of the volume is outside, so a hole that reaches the first or last slice stays, and
  /// in a volume of one slice nothing is filled. The same as `scipy.ndimage.binary_fill_holes`.
  public mutating func fillHoles() {
    guard shape.z > 2 else { return }
    fillHoles(acrossSlices: true)
  }

  /// Sets to 1 every 0 that is cut off from the outside of its slice (single-channel mask, 4-connected background), as
  /// `scipy.ndimage.binary_fill_holes` does for every array (Y, X) of the volume by itself.
  public mutating func fillHolesInSlices() { fillHoles(acrossSlices: false) }

  private mutating func fillHoles(acrossSlices: Bool) {
    let shape = self.shape
    guard shape.z > 0, shape.y > 2, shape.x > 2 else { return }
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let background = ForegroundRuns(
        UnsafePointer(base), shape: shape, of: .zero, connectivity: .faces, acrossSlices: acrossSlices)
      var fill = [UInt8?](repeating: 1, count: background.componentCount)
      for (run, component) in zip(background.runs, background.components) {
        let (z, y) = Int(run.row).quotientAndRemainder(dividingBy: shape.y)
        let isOutside = run.start == 0 || Int(run.end) == shape.x || y == 0 || y == shape.y - 1
        if isOutside || acrossSlices && (z == 0 || z == shape.z - 1) { fill[Int(component)] = nil }
      }
      background.paint(fill, over: base)
    }
  }
}
