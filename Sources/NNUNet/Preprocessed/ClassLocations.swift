import Basics
import Checkpoints
import Imaging

/// Voxels of one label or region, as many as preprocessing has drawn. A large table stays in the case's file, of which a
/// training draws a few voxels only.
public struct ClassLocations: Sendable {
  /// One label; several for a region; all with -1 for "everything annotated".
  public var labels: [Int]
  /// The number of voxels.
  public let count: Int
  private let table: Table

  private enum Table {
    /// (Z, Y, X) after each other, three numbers a voxel.
    case memory([Int32])
    case file(Rows)
  }

  /// - Parameter coordinates: (Z, Y, X) after each other, three numbers a voxel.
  public init(labels: [Int], coordinates: [Int32]) {
    self.labels = labels
    count = coordinates.count / 3
    table = .memory(coordinates)
  }

  init(labels: [Int], rows: Rows) {
    self.labels = labels
    count = rows.count
    table = .file(rows)
  }

  /// Voxel `index` of `count`. Throws `badInput` when it lies outside of the image.
  public func voxel(_ index: Int) throws -> Shape3D {
    switch table {
    case .memory(let coordinates):
      let first = 3 * index
      return Shape3D(Int(coordinates[first]), Int(coordinates[first + 1]), Int(coordinates[first + 2]))
    case .file(let rows): return try rows.voxel(index)
    }
  }

  /// All voxels, (Z, Y, X) after each other, three numbers a voxel. Throws as `voxel`.
  public func coordinates() throws -> [Int32] {
    switch table {
    case .memory(let coordinates): return coordinates
    case .file(let rows):
      return try (0..<count).flatMap { try rows.voxel($0).axes.map { Int32(truncatingIfNeeded: $0) } }
    }
  }

  static func outside(_ path: String? = nil) -> Failure {
    Failure(
      .badInput, "\"class_locations\" name a voxel outside of the image", file: path,
      hint: "preprocess the dataset again")
  }

  /// A table of int64 with a row (0, z, y, x) for every voxel, left where it lies in a mapped file.
  struct Rows: Sendable {
    let count: Int
    private let storage: TensorStorage
    /// In elements.
    private let rowStride: Int
    private let columnStride: Int
    /// Of the image.
    private let shape: Shape3D
    private let path: String

    /// Nil for arrays of another type or shape, and for those in memory.
    init?(_ tensor: Tensor, shape: Shape3D, path: String) {
      guard tensor.elementType == .int64, tensor.storage.isMapped, tensor.shape.count == 2, tensor.shape[1] == 4,
        tensor.offset == 0
      else { return nil }
      count = tensor.shape[0]
      storage = tensor.storage
      (rowStride, columnStride) = (tensor.strides[0], tensor.strides[1])
      self.shape = shape
      self.path = path
    }

    func voxel(_ index: Int) throws -> Shape3D {
      precondition(index >= 0 && index < count)
      var voxel = Shape3D(0, 0, 0)
      for axis in 0..<3 {
        let position = index * rowStride + (axis + 1) * columnStride
        let value = withExtendedLifetime(storage) {
          Int64(littleEndian: storage.bytes.loadUnaligned(fromByteOffset: 8 * position, as: Int64.self))
        }
        guard value >= 0, value < shape[axis] else { throw ClassLocations.outside(path) }
        voxel[axis] = Int(value)
      }
      return voxel
    }
  }
}

extension ClassLocations: Equatable {
  /// Whether they are the same voxels in the same order, wherever they lie.
  public static func == (one: ClassLocations, other: ClassLocations) -> Bool {
    guard one.labels == other.labels, one.count == other.count, let some = try? one.coordinates() else { return false }
    return some == (try? other.coordinates())
  }
}
