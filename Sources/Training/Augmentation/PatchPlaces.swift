import Engines
import Imaging

/// Where the voxels of a turned and scaled patch lie in what was cut from a case, on a device.
struct PatchPlaces {
  private let math: DeviceMath
  private let source: Shape3D
  /// For each axis the coordinates of the voxel below, whole numbers in double precision.
  private let lower: [DeviceArray]
  /// For each axis how far beyond it the patch's voxel lies, in single precision, 0 ..< 1.
  private let rest: [DeviceArray]
  /// The eight voxels around each voxel of the patch, the last axis changing first; none without interpolation.
  private var corners: [Corner] = []

  /// - Parameter interpolates: whether anything but the nearest voxels will be asked for.
  init(
    _ math: DeviceMath, _ rows: SpatialTransform.Rows, source: Shape3D, patch: Shape3D, interpolates: Bool
  ) throws {
    self.math = math
    self.source = source
    var (lower, rest) = ([DeviceArray](), [DeviceArray]())
    for axis in 0..<3 {
      let slope = rows.matrix[axis]
      let z = try math.array((0..<patch.z).map { rows.origin[axis] + slope[0] * Double($0) }, [patch.z, 1, 1])
      let y = try math.array((0..<patch.y).map { slope[1] * Double($0) }, [1, patch.y, 1])
      let x = try math.array((0..<patch.x).map { slope[2] * Double($0) }, [1, 1, patch.x])
      let place = try math.sum(math.sum(z, y), x)
      let below = try math.apply(.floor, to: place)
      lower.append(below)
      rest.append(try math.single(math.sum(place, below, factor: -1)))
    }
    self.lower = lower
    self.rest = rest
    if interpolates { corners = try (0..<8).map(corner) }
  }

  /// Voxels of the source, one for each voxel of the patch.
  private struct Voxels {
    /// Their numbers in the source; 0 where they are outside.
    let places: DeviceArray
    /// Truth values.
    let areInside: DeviceArray
  }

  /// Voxels around those of the patch.
  private struct Corner {
    let voxels: Voxels
    /// What they weigh in linear interpolation.
    let share: DeviceArray
  }

  /// - Parameter offsets: for each axis what is added to the lower coordinate.
  private func voxels(_ offsets: [DeviceArray]) throws -> Voxels {
    let (z, y, x) = try (
      math.sum(lower[0], offsets[0]), math.sum(lower[1], offsets[1]), math.sum(lower[2], offsets[2])
    )
    func fits(_ coordinate: DeviceArray, _ extent: Int) throws -> DeviceArray {
      try math.product(
        math.compare(coordinate, .atLeast, 0), math.compare(coordinate, .atMost, Double(extent - 1)))
    }
    let inside = try math.product(math.product(fits(z, source.z), fits(y, source.y)), fits(x, source.x))
    let row = try math.sum(math.product(z, Double(source.y)), y)
    let place = try math.sum(math.product(row, Double(source.x)), x)
    return Voxels(places: try math.places(math.product(place, inside)), areInside: inside)
  }

  /// - Parameter number: its bits say along which axes it is the upper one.
  private func corner(_ number: Int) throws -> Corner {
    let isUpper = [number >> 2 & 1, number >> 1 & 1, number & 1]
    let one = try math.number(1)
    let shares = try (0..<3).map { isUpper[$0] == 1 ? rest[$0] : try math.sum(one, rest[$0], factor: -1) }
    return Corner(
      voxels: try voxels(isUpper.map { try math.number(Double($0)) }),
      share: try math.product(math.product(shares[0], shares[1]), shares[2]))
  }

  private func values(_ array: DeviceArray, at voxels: Voxels, outside: Double) throws -> DeviceArray {
    try math.choice(voxels.areInside, math.taken(array, at: voxels.places), math.number(outside))
  }

  /// Values interpolated linearly, with zeros outside of the source.
  func linear(_ image: DeviceArray) throws -> DeviceArray {
    try corners.reduce(math.number(0)) { sum, corner in
      try math.sum(sum, math.product(corner.share, values(image, at: corner.voxels, outside: 0)))
    }
  }

  /// The nearest values.
  func nearest(_ array: DeviceArray, outside: Double) throws -> DeviceArray {
    let half = try math.number(0.5)
    let offsets = try rest.map { try math.single(math.compare(half, .less, $0)) }
    return try values(array, at: voxels(offsets), outside: outside)
  }

  /// The label with the largest share of each voxel, -1 standing for what is outside; shares are compared in thousandths
  /// in half precision, as the reference does it, and of equal ones the nearest voxel's label wins, then the smallest.
  func elected(_ labels: DeviceArray) throws -> DeviceArray {
    let known = try corners.map { try values(labels, at: $0.voxels, outside: -1) }
    // Each label's share, added up corner by corner.
    let shares = try known.map { label in
      let sum = try zip(known, corners).reduce(math.number(0)) { sum, other in
        try math.sum(sum, math.product(other.1.share, math.compare(label, .equal, other.0)))
      }
      return try math.halved(math.product(sum, 1000))
    }
    let best = try shares.reduce(math.number(0)) { try math.larger($0, $1) }
    let none = try math.number(Double(Int16.max))
    var winner = none
    for (label, share) in zip(known, shares) {
      winner = try math.smaller(winner, math.choice(math.compare(share, .equal, best), label, none))
    }
    let near = try nearest(labels, outside: -1)
    var nearShare = try math.number(0)
    for (label, share) in zip(known, shares) {
      nearShare = try math.larger(nearShare, math.product(share, math.compare(label, .equal, near)))
    }
    return try math.choice(math.compare(nearShare, .equal, best), near, winner)
  }
}
