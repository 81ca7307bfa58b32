/// The extent of a volume in voxels, slowest axis first: (Z, Y, X).
public struct Shape3D: Hashable, Sendable, CustomStringConvertible {
  public var z: Int
  public var y: Int
  public var x: Int

  @inlinable public init(_ z: Int, _ y: Int, _ x: Int) {
    self.z = z
    self.y = y
    self.x = x
  }

  /// The number of voxels.
  @inlinable public var count: Int { z * y * x }

  /// The extent along axis 0 (Z), 1 (Y) or 2 (X).
  @inlinable public subscript(axis: Int) -> Int {
    get { axis == 0 ? z : axis == 1 ? y : x }
    set {
      switch axis {
      case 0: z = newValue
      case 1: y = newValue
      default: x = newValue
      }
    }
  }

  /// `[z, y, x]`
  @inlinable public var axes: [Int] { [z, y, x] }

  /// New axis `i` is old axis `order[i]`.
  @inlinable public func permuted(_ order: [Int]) -> Shape3D { Shape3D(self[order[0]], self[order[1]], self[order[2]]) }

  public var description: String { "\(z)x\(y)x\(x)" }
}

/// Three numbers along (Z, Y, X): a voxel spacing in mm, for example.
public struct Vector3D: Hashable, Sendable, CustomStringConvertible {
  public var z: Double
  public var y: Double
  public var x: Double

  @inlinable public init(_ z: Double, _ y: Double, _ x: Double) {
    self.z = z
    self.y = y
    self.x = x
  }

  /// The component along axis 0 (Z), 1 (Y) or 2 (X).
  @inlinable public subscript(axis: Int) -> Double {
    get { axis == 0 ? z : axis == 1 ? y : x }
    set {
      switch axis {
      case 0: z = newValue
      case 1: y = newValue
      default: x = newValue
      }
    }
  }

  /// `[z, y, x]`
  @inlinable public var axes: [Double] { [z, y, x] }

  /// New axis `i` is old axis `order[i]`.
  @inlinable public func permuted(_ order: [Int]) -> Vector3D {
    Vector3D(self[order[0]], self[order[1]], self[order[2]])
  }

  public var description: String { "(\(z), \(y), \(x))" }
}

/// A half-open box of voxels, per axis (Z, Y, X).
public struct Box3D: Hashable, Sendable {
  public var lower: Shape3D
  public var upper: Shape3D

  @inlinable public init(lower: Shape3D, upper: Shape3D) {
    self.lower = lower
    self.upper = upper
  }

  /// The box that covers a whole volume.
  @inlinable public init(_ shape: Shape3D) { self.init(lower: Shape3D(0, 0, 0), upper: shape) }

  @inlinable public var shape: Shape3D { Shape3D(upper.z - lower.z, upper.y - lower.y, upper.x - lower.x) }
}
