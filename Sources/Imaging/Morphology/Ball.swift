import Basics

/// The voxels whose centres are at most a radius away from a voxel's centre: a ball, on the grid of an image.
///
/// With a spacing of 1 it is the `ball(radius)` of scikit-image; with voxels of different sizes it is an ellipsoid in voxels.
public struct Ball: Sendable {
  /// Rows of voxels that reach equally far along X, from the longest to the shortest.
  struct Group: Sendable {
    let reach: Int
    var offsets: [(z: Int, y: Int)]
  }

  let groups: [Group]
  /// How far the ball reaches along each axis, in voxels.
  let reach: Shape3D

  /// No ball reaches further, in voxels.
  public static let largestReach = 100

  /// - Parameters:
  ///   - radius: 0 or more, in the unit of `spacing`.
  ///   - spacing: of the voxels, (Z, Y, X); 1 for a radius in voxels.
  /// - Throws: `badInput` for a spacing that is not positive, and for a ball that reaches further than `largestReach`.
  public init(radius: Double, spacing: Vector3D = Vector3D(1, 1, 1)) throws {
    guard spacing.axes.allSatisfy({ $0 > 0 && $0.isFinite }), radius >= 0,
      spacing.axes.allSatisfy({ radius / $0 < Double(Self.largestReach) + 1 })
    else {
      throw Failure(
        .badInput, "a ball of radius \(radius) is no neighbourhood on a grid of \(spacing)",
        hint: "radii are at most \(Self.largestReach) voxels, and voxel sizes above 0")
    }
    // Distances that are equal but for rounding are.
    let limit = radius * radius * (1 + 1e-9)
    let reach = Shape3D(Int(radius / spacing.z + 1e-9), Int(radius / spacing.y + 1e-9), Int(radius / spacing.x + 1e-9))
    var groups: [Int: Group] = [:]
    for z in -reach.z...reach.z {
      for y in -reach.y...reach.y {
        let (dz, dy) = (Double(z) * spacing.z, Double(y) * spacing.y)
        let rest = limit - dz * dz - dy * dy
        guard rest >= 0 else { continue }
        var along = reach.x
        while along > 0, Double(along * along) * spacing.x * spacing.x > rest { along -= 1 }
        groups[along, default: Group(reach: along, offsets: [])].offsets.append((z, y))
      }
    }
    self.groups = groups.values.sorted { $0.reach > $1.reach }
    self.reach = reach
  }
}
