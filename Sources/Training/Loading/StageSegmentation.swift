import Basics
import Checkpoints
import Imaging

/// What a cascade's first stage has made of one case, on the second stage's grid. Boxes are read on demand, and labels
/// beyond 16 bits with sign are the largest or smallest of those.
///
/// Arrays that are stored are mapped, and those of Blosc2 decoded in blocks; only compressed archives are unpacked.
public struct StageSegmentation: Sendable {
  private enum Content {
    /// (Z, Y, X)
    case array(Tensor)
    /// (Z, Y, X) or (1, Z, Y, X)
    case blosc(BloscArray)
  }

  /// (Z, Y, X)
  public let shape: Shape3D
  private let content: Content

  /// Opens `.npz` (the array `seg`) or `.b2nd`. Throws `missingInput` and `badInput`, naming the file.
  init(path: String) throws {
    self = try locating(path) {
      if path.hasSuffix(".npz") {
        return try StageSegmentation(NPZFile(path: path).tensor(named: "seg", verifies: false))
      }
      let array = try BloscArray(path: path)
      return StageSegmentation(shape: try Self.shape(array.shape), content: .blosc(array))
    }
  }

  /// Throws `badInput` for an array that is no volume.
  init(_ tensor: Tensor) throws {
    let shape = try Self.shape(tensor.shape)
    let volume = try Tensor(
      elementType: tensor.elementType, shape: shape.axes, strides: Array(tensor.strides.suffix(3)),
      storage: tensor.storage, offset: tensor.offset)
    self.init(shape: shape, content: .array(volume))
  }

  private init(shape: Shape3D, content: Content) {
    self.shape = shape
    self.content = content
  }

  /// A channel axis of length 1 does no harm.
  private static func shape(_ sizes: [Int]) throws -> Shape3D {
    let axes = sizes.count == 4 && sizes[0] == 1 ? Array(sizes[1...]) : sizes
    guard axes.count == 3 else { throw Failure(.badInput, "has the shape \(sizes), not (Z, Y, X)") }
    return Shape3D(axes[0], axes[1], axes[2])
  }

  /// The bytes that are kept in memory and not in the file.
  var memory: Int {
    guard case .array(let tensor) = content, !tensor.storage.isMapped else { return 0 }
    return tensor.storage.bytes.count
  }

  /// Copies a box that lies within the volume to `target`, (Z, Y, X) of the box.
  ///
  /// Throws `badInput` when the file is damaged.
  func read(_ box: Box3D, into target: UnsafeMutableBufferPointer<Int16>) throws {
    try box.check(within: shape)
    let count = box.shape.count
    guard target.count >= count else {
      throw Failure(.internalError, "the room for a box of \(box.shape) voxels is too small")
    }
    guard count > 0, let base = target.baseAddress else { return }
    switch content {
    case .array(let tensor):
      try withExtendedLifetime(tensor.storage) {
        if let source = tensor.rawBytes?.baseAddress, Self.isNarrow(tensor.elementType) {
          let size = tensor.elementType.size
          box.copyRows(source, size: size, of: shape, to: UnsafeMutableRawPointer(base))
          Self.widen(base, count, from: tensor.elementType)
        } else {
          try Self.clamp(tensor.part(box), to: base)
        }
      }
    case .blosc(let array):
      let channels = array.shape.count - 3
      let lower = [Int](repeating: 0, count: channels) + box.lower.axes
      let upper = [Int](repeating: 1, count: channels) + box.upper.axes
      if Self.isNarrow(array.elementType) {
        try array.read(lower: lower, upper: upper, into: UnsafeMutableRawBufferPointer(target))
        Self.widen(base, count, from: array.elementType)
      } else {
        let storage = try TensorStorage(count: count * array.elementType.size) {
          try array.read(lower: lower, upper: upper, into: $0)
        }
        try Self.clamp(Tensor(elementType: array.elementType, shape: [count], storage: storage), to: base)
      }
    }
  }

  /// All of it. Whoever calls this has compared `shape`, which may be anything in a damaged file.
  func volume() throws -> Volume<Int16> {
    try Volume(shape: shape) { try read(Box3D(shape), into: $0) }
  }

  // MARK: Types

  /// Whether numbers of a type fit where the labels go.
  private static func isNarrow(_ type: Tensor.ElementType) -> Bool {
    [.int8, .uint8, .bool, .int16, .uint16].contains(type)
  }

  /// Turns `count` numbers of a narrow type into labels, where they lie.
  private static func widen(_ labels: UnsafeMutablePointer<Int16>, _ count: Int, from type: Tensor.ElementType) {
    let bytes = UnsafeRawPointer(labels)
    // What is wider than it was is written from the end, so that nothing is overwritten before it has been read.
    switch type {
    case .int8:
      for index in stride(from: count - 1, through: 0, by: -1) {
        labels[index] = Int16(bytes.load(fromByteOffset: index, as: Int8.self))
      }
    case .uint8:
      for index in stride(from: count - 1, through: 0, by: -1) {
        labels[index] = Int16(bytes.load(fromByteOffset: index, as: UInt8.self))
      }
    case .bool:
      for index in stride(from: count - 1, through: 0, by: -1) {
        labels[index] = bytes.load(fromByteOffset: index, as: UInt8.self) == 0 ? 0 : 1
      }
    case .uint16:
      for index in 0..<count { labels[index] = Int16(clamping: UInt16(bitPattern: labels[index])) }
    default: break
    }
  }

  private static func clamp(_ tensor: Tensor, to labels: UnsafeMutablePointer<Int16>) throws {
    for (index, value) in try tensor.integers().enumerated() { labels[index] = Int16(clamping: value) }
  }
}

extension Tensor {
  /// A view of a box of an array (Z, Y, X).
  fileprivate func part(_ box: Box3D) throws -> Tensor {
    let start = zip(box.lower.axes, strides).reduce(offset) { $0 + $1.0 * $1.1 }
    return try Tensor(
      elementType: elementType, shape: box.shape.axes, strides: strides, storage: storage, offset: start)
  }
}
