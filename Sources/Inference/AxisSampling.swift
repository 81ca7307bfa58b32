/// How the voxels of an output axis are made from those of an input axis: two neighbours and the share of the second.
///
/// Picking (nearest neighbour) is the case where both neighbours are the same.
public struct AxisSampling: Sendable, Equatable {
  /// The number of input voxels.
  public let extent: Int
  /// For each output voxel, its lower and upper neighbour among the input voxels.
  public let first: [Int32]
  public let second: [Int32]
  /// The upper neighbour's weight, in [0, 1]; the lower one has the rest.
  public let share: [Float]

  /// The number of output voxels.
  public var count: Int { first.count }

  /// `first`, `second` and `share` have one entry for each output voxel; neighbours lie in `0..<extent`.
  public init(extent: Int, first: [Int32], second: [Int32], share: [Float]) {
    self.extent = extent
    self.first = first
    self.second = second
    self.share = share
  }

  /// Every output voxel is the input voxel of the same index.
  public init(identity extent: Int) {
    let indices = (0..<Int32(extent)).map { $0 }
    self.init(extent: extent, first: indices, second: indices, share: Array(repeating: 0, count: extent))
  }

  /// Whether output and input are the same.
  public var isIdentity: Bool { self == AxisSampling(identity: extent) }
}

/// The way from the network's grid to the grid of the cropped image, axis by axis (Z, Y, X).
public struct GridSampling: Sendable {
  public let z: AxisSampling
  public let y: AxisSampling
  public let x: AxisSampling
  /// Whether interpolated logits are rounded to half precision before they are compared, as the reference's default
  /// resampling does.
  public let roundsToHalf: Bool
  public let isIdentity: Bool

  public init(z: AxisSampling, y: AxisSampling, x: AxisSampling, roundsToHalf: Bool) {
    self.z = z
    self.y = y
    self.x = x
    self.roundsToHalf = roundsToHalf
    isIdentity = z.isIdentity && y.isIdentity && x.isIdentity
  }

  /// Whether every output voxel is made from the same input voxels.
  func hasAxes(of other: GridSampling) -> Bool { z == other.z && y == other.y && x == other.x }
}
