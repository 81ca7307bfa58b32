import Engines
import Imaging

/// Where the voxels of a turned and scaled patch lie in what was cut from a case, on a device. What concerns the eight
/// voxels around a place is done for all of them at once: small patches take a device less time than being told.
struct PatchPlaces {
  private let math: DeviceMath
  private let source: Shape3D
  private let patch: Shape3D
  /// For each axis the coordinates of the voxel below, whole numbers in double precision.
  private let lower: [DeviceArray]
  /// For each axis how far beyond it the patch's voxel lies, in single precision, 0 ..< 1.
  private let rest: [DeviceArray]

  init(_ math: DeviceMath, _ rows: SpatialTransform.Rows, source: Shape3D, patch: Shape3D) throws {
    self.math = math
    self.source = source
    self.patch = patch
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
  }

  /// Voxels of the source, for each voxel of the patch: (Z, Y, X), or several along an axis in front.
  fileprivate struct Voxels {
    /// Their numbers in the source; 0 where they are outside.
    let places: DeviceArray
    /// Truth values.
    let areInside: DeviceArray

    /// - Parameter coordinates: numbers in the source, whatever they are outside, in double precision.
    init(_ math: DeviceMath, _ coordinates: DeviceArray, areInside: DeviceArray) throws {
      places = try math.places(math.product(coordinates, areInside))
      self.areInside = areInside
    }
  }

  private func values(_ array: DeviceArray, at voxels: Voxels, outside: Double) throws -> DeviceArray {
    try math.choice(voxels.areInside, math.taken(array, at: voxels.places), math.number(outside))
  }

  /// The number in the source of the voxel with these coordinates.
  private func number(_ coordinates: [DeviceArray]) throws -> DeviceArray {
    let row = try math.sum(math.product(coordinates[0], Double(source.y)), coordinates[1])
    return try math.sum(math.product(row, Double(source.x)), coordinates[2])
  }

  /// Whether coordinates along an axis are inside when `offset` is added to them.
  private func fits(_ coordinates: DeviceArray, axis: Int, offset: Int = 0) throws -> DeviceArray {
    try math.product(
      math.compare(coordinates, .atLeast, Double(-offset)),
      math.compare(coordinates, .atMost, Double(source[axis] - 1 - offset)))
  }

  private func nearest() throws -> Voxels {
    let half = try math.number(0.5)
    let coordinates = try (0..<3).map { try math.sum(lower[$0], math.single(math.compare(half, .less, rest[$0]))) }
    let fit = try (0..<3).map { try fits(coordinates[$0], axis: $0) }
    return try Voxels(
      math, number(coordinates), areInside: math.product(math.product(fit[0], fit[1]), fit[2]))
  }

  /// The nearest values.
  func nearest(_ array: DeviceArray, outside: Double) throws -> DeviceArray {
    try values(array, at: nearest(), outside: outside)
  }

  /// The eight voxels around those of the patch, (8, Z, Y, X), the last axis changing first.
  struct Corners {
    fileprivate let voxels: Voxels
    /// What they weigh in linear interpolation.
    fileprivate let shares: DeviceArray
  }

  func corners() throws -> Corners {
    /// The product of what belongs to the lower and the upper voxel along each axis.
    func product(_ pairs: (_ axis: Int) throws -> (DeviceArray, DeviceArray)) throws -> DeviceArray {
      let factors = try (0..<3).map { axis in
        let (low, high) = try pairs(axis)
        return try math.reshaped(
          math.joined([low, high], axis: 0), (0..<3).map { $0 == axis ? 2 : 1 } + patch.axes)
      }
      return try math.reshaped(math.product(math.product(factors[0], factors[1]), factors[2]), [8] + patch.axes)
    }
    let one = try math.number(1)
    let shares = try product { (try math.sum(one, rest[$0], factor: -1), rest[$0]) }
    let areInside = try product { (try fits(lower[$0], axis: $0), try fits(lower[$0], axis: $0, offset: 1)) }
    let steps = (0..<8).map { Double((($0 >> 2) * source.y + ($0 >> 1 & 1)) * source.x + ($0 & 1)) }
    let numbers = try math.sum(number(lower), math.array(steps, [8, 1, 1, 1]))
    return Corners(voxels: try Voxels(math, numbers, areInside: areInside), shares: shares)
  }

  /// Values interpolated linearly, with zeros outside of the source.
  func linear(_ image: DeviceArray, _ corners: Corners) throws -> DeviceArray {
    let parts = try math.product(corners.shares, values(image, at: corners.voxels, outside: 0))
    return try math.reshaped(math.summary(.sum, of: parts, axes: [0]), patch.axes)
  }

  /// The label with the largest share of each voxel, -1 standing for what is outside; shares are compared in thousandths
  /// in half precision, as the reference does it, and of equal ones the nearest voxel's label wins, then the smallest.
  func elected(_ labels: DeviceArray, _ corners: Corners) throws -> DeviceArray {
    let one = [1] + patch.axes
    let known = try values(labels, at: corners.voxels, outside: -1)
    // For each corner the share of its label.
    let shares = try (0..<8).map { corner in
      let label = try math.part(known, from: corner * patch.count, one)
      return try math.summary(
        .sum, of: math.product(corners.shares, math.compare(known, .equal, label)), axes: [0])
    }
    let votes = try math.halved(math.product(math.joined(shares, axis: 0), 1000))
    let most = try math.summary(.largest, of: votes, axes: [0])
    let winner = try math.summary(
      .smallest, of: math.choice(math.compare(votes, .equal, most), known, math.number(Double(Int16.max))), axes: [0])
    let near = try math.reshaped(nearest(labels, outside: -1), one)
    let nearVotes = try math.summary(
      .largest, of: math.product(votes, math.compare(known, .equal, near)), axes: [0])
    return try math.reshaped(math.choice(math.compare(nearVotes, .equal, most), near, winner), patch.axes)
  }
}
