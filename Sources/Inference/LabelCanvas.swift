import Imaging

/// The label map of a whole original image, into which rows of the cropped and transposed grid are written.
///
/// Voxels that are never written stay background.
public final class LabelCanvas {
  private enum Voxels {
    case bytes([UInt8])
    case words([UInt16])
  }

  /// The original image's grid, (Z, Y, X).
  public let shape: Shape3D
  private var voxels: Voxels
  /// The first voxel of the cropped grid, and the distances between its neighbours along Z, Y and X, in voxels of the
  /// original image.
  private let origin: Int
  private let strides: Shape3D

  /// - Parameters:
  ///   - shape: the original grid.
  ///   - transpose: axis `i` of the network's frame is axis `transpose[i]` of the original.
  ///   - offset: where the crop begins, in the network's frame.
  ///   - isWide: 16-bit labels.
  public init(shape: Shape3D, transpose: [Int], offset: Shape3D, isWide: Bool) {
    self.shape = shape
    voxels =
      isWide
      ? .words(Array(repeating: 0, count: shape.count)) : .bytes(Array(repeating: 0, count: shape.count))
    let own = Shape3D(shape.y * shape.x, shape.x, 1)
    strides = own.permuted(transpose)
    origin = offset.z * strides.z + offset.y * strides.y + offset.x * strides.x
  }

  /// Writes rows while it runs; rows may be stored from several threads at once.
  struct Writer: @unchecked Sendable {
    fileprivate let bytes: UnsafeMutablePointer<UInt8>?
    fileprivate let words: UnsafeMutablePointer<UInt16>?
    fileprivate let origin: Int
    fileprivate let strides: Shape3D

    /// Stores `count` labels of the row (z, y) of the cropped grid.
    func store(_ labels: UnsafePointer<UInt16>, count: Int, z: Int, y: Int) {
      let start = origin + z * strides.z + y * strides.y
      let step = strides.x
      if let bytes {
        let row = bytes + start
        if step == 1 {
          for x in 0..<count { row[x] = UInt8(truncatingIfNeeded: labels[x]) }
        } else {
          for x in 0..<count { row[x &* step] = UInt8(truncatingIfNeeded: labels[x]) }
        }
      } else if let words {
        let row = words + start
        for x in 0..<count { row[x &* step] = labels[x] }
      }
    }
  }

  func write(_ body: (Writer) throws -> Void) rethrows {
    // The case is taken apart and put together again so that the array stays uniquely referenced and is not copied.
    switch voxels {
    case .bytes(var array):
      voxels = .bytes([])
      defer { voxels = .bytes(array) }
      try array.withUnsafeMutableBufferPointer {
        try body(Writer(bytes: $0.baseAddress, words: nil, origin: origin, strides: strides))
      }
    case .words(var array):
      voxels = .words([])
      defer { voxels = .words(array) }
      try array.withUnsafeMutableBufferPointer {
        try body(Writer(bytes: nil, words: $0.baseAddress, origin: origin, strides: strides))
      }
    }
  }

  /// The finished map.
  public func labels() -> LabelMap {
    switch voxels {
    case .bytes(let array): .uint8(Volume(shape: shape, elements: array))
    case .words(let array): .uint16(Volume(shape: shape, elements: array))
    }
  }
}
