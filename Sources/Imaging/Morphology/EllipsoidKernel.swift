import Basics

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

  /// `radius` in mm, above 0; `spacing` in mm. Voxels too far off to join two voxels of a volume of `shape` are left out.
  ///
  /// Throws `badInput` for a voxel size that is not positive, or so small that the radius is a million voxels.
  init(radius: Double, spacing: Vector3D, within shape: Shape3D) throws {
    let radii = spacing.axes.map { Float(radius) / Float($0) }
    guard radii.allSatisfy({ $0 > 0 && $0 < 1_000_000 }) else {
      throw Failure(
        .badInput, "labels cannot be grown by \(radius) mm on a grid of \(spacing) mm",
        hint: "the voxel sizes must be positive; correct them in the header of the image")
    }
    // By offset from the centre, the squared distance of each grid point along an axis, in radii.
    let distances = radii.indices.map { axis -> [(offset: Int, squared: Float)] in
      let radius = radii[axis]
      let start = -radius
      let count = Int((radius + 1 - start).rounded(.up))
      return (0..<count).compactMap { step in
        let offset = step - count / 2
        let position = Float(step) + start
        return abs(offset) < shape[axis] ? (offset, position * position / (radius * radius)) : nil
      }
    }
    var rows: [Row] = []
    for alongZ in distances[0] {
      for alongY in distances[1] {
        // Summed in the order x, y, z. Along a row the distance falls and rises again, so its members are consecutive.
        let members = distances[2].filter { $0.squared + alongY.squared + alongZ.squared <= 1 }
        guard let first = members.first?.offset, let last = members.last?.offset else { continue }
        rows.append(Row(z: alongZ.offset, y: alongY.offset, columns: first...last))
      }
    }
    self.rows = rows
  }
}
