import Imaging

/// Where the network looks: the positions of the patches that cover an image, in the reference's order.
///
/// The image is padded with zeros where it is smaller than the patch, half before and half after (the odd voxel after).
/// A two-dimensional network is a patch of one slice that visits every slice. Positions follow nnU-Net v2: per axis
/// `ceil((n - p) / (p * step)) + 1` of them, evenly spread, rounded to even.
public struct TileGrid: Sendable, Equatable {
  /// The image without padding, (Z, Y, X).
  public let imageShape: Shape3D
  /// The patch, (Z, Y, X); Z is 1 for a two-dimensional network.
  public let patchShape: Shape3D
  /// Whether the network is two-dimensional.
  public let isPlanar: Bool
  /// The first voxel of the tiles along Z, Y and X, in image coordinates: negative inside the padding.
  public let starts: [[Int]]

  /// - Parameters:
  ///   - patch: 3 entries (Z, Y, X) or 2 (Y, X) for a two-dimensional network.
  ///   - step: the distance between tiles as a fraction of the patch, in (0, 1].
  public init(image: Shape3D, patch: [Int], step: Double) {
    let isPlanar = patch.count == 2
    let patchShape = isPlanar ? Shape3D(1, patch[0], patch[1]) : Shape3D(patch[0], patch[1], patch[2])
    var starts: [[Int]] = []
    for axis in 0..<3 {
      let missing = max(0, patchShape[axis] - image[axis])
      let positions =
        isPlanar && axis == 0
        ? Array(0..<image.z)
        : Self.positions(extent: image[axis] + missing, patch: patchShape[axis], step: step)
      starts.append(positions.map { $0 - missing / 2 })
    }
    imageShape = image
    self.patchShape = patchShape
    self.isPlanar = isPlanar
    self.starts = starts
  }

  /// The number of tiles.
  public var count: Int { starts.reduce(1) { $0 * $1.count } }

  /// Tile positions along one axis of `extent` voxels; `extent` is at least `patch`.
  public static func positions(extent: Int, patch: Int, step: Double) -> [Int] {
    let gaps = Int(((Double(extent) - Double(patch)) / (Double(patch) * step)).rounded(.up))
    guard gaps > 0 else { return [0] }
    let distance = Double(extent - patch) / Double(gaps)
    return (0...gaps).map { Int((distance * Double($0)).rounded(.toNearestOrEven)) }
  }
}
