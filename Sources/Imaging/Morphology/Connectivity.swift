/// Which voxels count as neighbours.
public enum Connectivity: Sendable, CaseIterable {
  /// Those that share a face: 6 in a volume, 4 in a slice.
  case faces
  /// Those that share an edge: 18 in a volume, 8 in a slice.
  case edges
  /// Those that share a corner: 26 in a volume, 8 in a slice.
  case corners

  /// How far runs of two neighbouring rows may be apart along X and still touch (0 or 1), or nil when the rows are not
  /// neighbours at all.
  func reach(rowOffset dz: Int, _ dy: Int) -> Int32? {
    switch (self, abs(dz) + abs(dy)) {
    case (.faces, 1): 0
    case (.faces, _): nil
    case (.edges, 1): 1
    case (.edges, _): 0
    case (.corners, _): 1
    }
  }
}
