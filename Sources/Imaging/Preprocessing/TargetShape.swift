import Basics

extension Shape3D {
  /// The shape of the same extent at another voxel spacing, as nnU-Net computes it: `round(spacing / target * count)` per
  /// axis, evaluated in this order in double precision and rounded half to even.
  ///
  /// Spacings are in mm, (Z, Y, X). Throws `badInput` when an axis would become empty or not countable, as happens with
  /// absurd spacings.
  public func resampled(from spacing: Vector3D, to target: Vector3D) throws -> Shape3D {
    var result = self
    for axis in 0..<3 {
      let count = (spacing[axis] / target[axis] * Double(self[axis])).rounded(.toNearestOrEven)
      guard count >= 1, count < Double(Int32.max) else {
        throw Failure(
          .badInput,
          "\(self[axis]) voxels of \(spacing[axis]) mm along axis \(axis) cannot be resampled to \(target[axis]) mm",
          hint: "check the voxel spacing of the image")
      }
      result[axis] = Int(count)
    }
    return result
  }
}
