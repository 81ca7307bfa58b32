/// The order in which the voxels of a volume are visited where "the first" matters: for the numbers of components and for
/// ties between them.
public enum ScanOrder: Sendable, CaseIterable {
  /// As voxels lie in memory: Z slowest, X fastest. What C order is for an array (Z, Y, X).
  case xFastest
  /// X slowest, Z fastest. What C order is for the same image as an array (x, y, z), which is how nibabel hands it out.
  case xSlowest

  /// Whether a voxel (z, y, x) comes before another.
  func isBefore(_ a: Shape3D, _ b: Shape3D) -> Bool {
    switch self {
    case .xFastest: (a.z, a.y, a.x) < (b.z, b.y, b.x)
    case .xSlowest: (a.x, a.y, a.z) < (b.x, b.y, b.z)
    }
  }
}
