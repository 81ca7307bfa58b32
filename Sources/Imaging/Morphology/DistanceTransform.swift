import Basics

/// The Euclidean distance transform, exact on anisotropic grids.
public enum DistanceTransform {
  /// For each voxel the squared distance, in mm², between its centre and the centre of the nearest voxel of `mask` that is
  /// not 0; infinity everywhere when there is none.
  ///
  /// Axis by axis: along X by looking left and right, along Y and Z by the lower envelope of parabolas (Felzenszwalb and
  /// Huttenlocher 2012), in double precision, on all cores. The root of it is what
  /// `scipy.ndimage.distance_transform_edt(mask == 0, sampling)` gives.
  ///
  /// - Parameter spacing: of the voxels in mm, (Z, Y, X).
  public static func squaredDistances(to mask: Volume<UInt8>, spacing: Vector3D) -> Volume<Double> {
    let shape = mask.shape
    return Volume(shape: shape) { result in
      guard let base = result.baseAddress, shape.count > 0 else { return }
      mask.elements.withUnsafeBufferPointer { voxels in
        guard let voxels = voxels.baseAddress else { return }
        let shared = Shared((mask: voxels, distances: base))
        Parallel.ranges(shape.z * shape.y, minimum: 64) { rows in
          for row in rows {
            alongRow(
              shared.value.mask + row * shape.x, shared.value.distances + row * shape.x, count: shape.x,
              spacing: spacing.x)
          }
        }
        Parallel.ranges(shape.z) { slices in
          let envelope = LowerEnvelope(count: shape.y, spacing: spacing.y)
          for z in slices {
            envelope.transform(shared.value.distances + z * shape.y * shape.x, columns: shape.x, stride: shape.x)
          }
        }
        Parallel.ranges(shape.y) { rows in
          let envelope = LowerEnvelope(count: shape.z, spacing: spacing.z)
          for y in rows {
            envelope.transform(shared.value.distances + y * shape.x, columns: shape.x, stride: shape.y * shape.x)
          }
        }
      }
    }
  }

  /// The squared distances within one row.
  private static func alongRow(
    _ mask: UnsafePointer<UInt8>, _ distances: UnsafeMutablePointer<Double>, count: Int, spacing: Double
  ) {
    var last = -1
    for x in 0..<count {
      if mask[x] != 0 { last = x }
      let offset = Double(x &- last) * spacing
      distances[x] = last < 0 ? .infinity : offset * offset
    }
    var next = -1
    for x in (0..<count).reversed() {
      if mask[x] != 0 { next = x }
      guard next >= 0 else { continue }
      let offset = Double(next &- x) * spacing
      distances[x] = min(distances[x], offset * offset)
    }
  }
}

/// min over q of f(q) + ((p - q) * spacing)², for every p of a line; memory for one line at a time.
private final class LowerEnvelope {
  private let count: Int
  private let square: Double
  /// The line before and after, the parabolas of the envelope, and from where on each is the lowest.
  private let line: UnsafeMutablePointer<Double>
  private let result: UnsafeMutablePointer<Double>
  private let apex: UnsafeMutablePointer<Int>
  private let start: UnsafeMutablePointer<Double>

  init(count: Int, spacing: Double) {
    self.count = count
    square = spacing * spacing
    line = .allocate(capacity: count)
    result = .allocate(capacity: count)
    apex = .allocate(capacity: count)
    start = .allocate(capacity: count)
  }

  deinit {
    line.deallocate()
    result.deallocate()
    apex.deallocate()
    start.deallocate()
  }

  /// Transforms `columns` neighbouring lines whose values are `stride` apart, in place.
  func transform(_ values: UnsafeMutablePointer<Double>, columns: Int, stride: Int) {
    for column in 0..<columns {
      let base = values + column
      for index in 0..<count { line[index] = base[index &* stride] }
      guard transformLine() else { continue }
      for index in 0..<count { base[index &* stride] = result[index] }
    }
  }

  /// False when the line has no finite value.
  private func transformLine() -> Bool {
    var top = -1
    for q in 0..<count where line[q] < .infinity {
      // Where the parabola of q falls below the one on top; that one goes if this is before its own start.
      var crossing = -Double.infinity
      while top >= 0 {
        let p = apex[top]
        let difference = (line[q] - line[p]) / square + Double(q &* q &- p &* p)
        crossing = difference / Double(2 &* (q &- p))
        if crossing > start[top] { break }
        top -= 1
      }
      top += 1
      apex[top] = q
      start[top] = top == 0 ? -.infinity : crossing
    }
    guard top >= 0 else { return false }
    var current = 0
    for p in 0..<count {
      while current < top, start[current + 1] < Double(p) { current += 1 }
      let offset = Double(p &- apex[current])
      result[p] = line[apex[current]] + offset * offset * square
    }
    return true
  }
}
