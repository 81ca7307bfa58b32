import Imaging

/// Volumes in mm³ as numbers of voxels, in the 32-bit floats of the reference, which takes the voxel sizes from a NIfTI
/// header: a component exactly as large as a limit falls on the same side of it.
enum VoxelVolume {
  /// The volume of a voxel in mm³; `spacing` in mm. Multiplied in the order x, y, z.
  static func cubicMillimetres(spacing: Vector3D) -> Float {
    Float(spacing.x) * Float(spacing.y) * Float(spacing.z)
  }

  /// The largest number of voxels whose volume is at most `volume` mm³; `spacing` in mm.
  static func voxels(in volume: Double, spacing: Vector3D) -> Int {
    let count = Float(volume) / cubicMillimetres(spacing: spacing)
    return Int(exactly: count.rounded(.down)) ?? .max
  }
}
