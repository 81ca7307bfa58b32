/// The neighbourhood by which TotalSegmentator grows labels: an ellipsoid of a radius in mm on a grid of voxels.
///
/// It is built as the reference builds it, and must be to agree: per axis the grid runs from -r in steps of 1 while it is
/// below r + 1, where r is the radius in voxels. For an r that is not whole, the grid misses 0: the ellipsoid is then off
/// its centre, may have an even number of voxels, and may be empty if r < 1. The arithmetic is that of 32-bit floats, as the
/// reference takes the voxel sizes from a NIfTI header.
struct EllipsoidKernel: Sendable {
  /// Voxels at (z, y, x + columns) of a centre.
  struct Row: Sendable {
    let z: Int
    let y: Int
    let columns: ClosedRange<Int>
  }

  let rows: [Row]

  /// `radius` in mm, above 0; `spacing` in mm.
  init(radius: Double, spacing: Vector3D) {
    let radii = spacing.axes.map { Float(radius) / Float($0) }
    // Squared distance of each grid point along an axis, in radii.
    let distances = radii.map { radius in
      let start = -radius
      let count = Int((radius + 1 - start).rounded(.up))
      return (0..<count).map { step in
        let position = Float(step) + start
        return position * position / (radius * radius)
      }
    }
    let centers = distances.map { $0.count / 2 }
    var rows: [Row] = []
    for (z, alongZ) in distances[0].enumerated() {
      for (y, alongY) in distances[1].enumerated() {
        // Summed in the order x, y, z. Along a row the distance falls and rises again, so its members are consecutive.
        let members = distances[2].indices.filter { distances[2][$0] + alongY + alongZ <= 1 }
        guard let first = members.first, let last = members.last else { continue }
        rows.append(Row(z: z - centers[0], y: y - centers[1], columns: first - centers[2]...last - centers[2]))
      }
    }
    self.rows = rows
  }
}
