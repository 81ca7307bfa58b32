import Imaging
import NNUNet

/// Where in an image a patch is cropped.
struct PatchPlacement: Sendable {
  /// What the network sees.
  let final: Shape3D
  /// What is cropped; in validation the same.
  let initial: Shape3D
  let hasIgnoreLabel: Bool

  /// The patch's first voxel, which may lie outside of the image. Throws `badInput` for a case's damaged locations.
  func corner(
    in shape: Shape3D, locations: [ClassLocations], isForced: Bool, _ stream: inout RandomStream
  ) throws -> Shape3D {
    var (lower, upper) = (Shape3D(0, 0, 0), Shape3D(0, 0, 0))
    for axis in 0..<3 {
      var need = initial[axis] - final[axis]
      if need + shape[axis] < initial[axis] { need = initial[axis] - shape[axis] }
      lower[axis] = -(need + 1) / 2
      upper[axis] = shape[axis] + need / 2 + need % 2 - initial[axis]
    }
    if let voxel = try voxel(locations, isForced: isForced, &stream) {
      // The reference has no upper limit here.
      return Shape3D(
        max(lower.z, voxel.z - initial.z / 2), max(lower.y, voxel.y - initial.y / 2),
        max(lower.x, voxel.x - initial.x / 2))
    }
    let z = stream.integer(lower.z, upper.z)
    let y = stream.integer(lower.y, upper.y)
    return Shape3D(z, y, stream.integer(lower.x, upper.x))
  }

  /// A voxel the patch is to contain; nil for any patch.
  private func voxel(
    _ locations: [ClassLocations], isForced: Bool, _ stream: inout RandomStream
  ) throws -> Shape3D? {
    var eligible = locations.filter { $0.count > 0 }
    if isForced {
      let classes = eligible.filter { !$0.isEverything }
      if !classes.isEmpty { eligible = classes }
    } else {
      guard hasIgnoreLabel else { return nil }
      eligible = eligible.filter(\.isEverything)
    }
    guard let chosen = eligible.randomElement(using: &stream) else { return nil }
    return try chosen.voxel(stream.integer(0, chosen.count - 1))
  }
}

extension ClassLocations {
  /// Whether these are voxels of whatever label, as long as somebody looked at them.
  fileprivate var isEverything: Bool { labels.contains(-1) }
}
