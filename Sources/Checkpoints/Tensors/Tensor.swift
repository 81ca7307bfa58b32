import Basics

/// A trained array as it lies in its file: a typed, shaped view of bytes that are not copied.
///
/// The initialisers check every size, so that a `Tensor` that exists can be read without further checks.
public struct Tensor: Sendable {
  /// What one element is. Multi-byte types are little-endian.
  public enum ElementType: String, Sendable, CaseIterable {
    case float64, float32, float16, bfloat16, int64, int32, int16, int8, uint64, uint32, uint16, uint8, bool

    /// Bytes per element.
    public var size: Int {
      switch self {
      case .float64, .int64, .uint64: 8
      case .float32, .int32, .uint32: 4
      case .float16, .bfloat16, .int16, .uint16: 2
      case .int8, .uint8, .bool: 1
      }
    }
  }

  public let elementType: ElementType
  /// Outermost axis first; empty for a scalar.
  public let shape: [Int]
  /// In elements, one per axis; never negative.
  public let strides: [Int]
  /// The bytes this tensor is a view of; shared with other tensors that are views of the same bytes.
  public let storage: TensorStorage
  /// Where in the storage the first element lies, in elements.
  public let offset: Int
  /// The number of elements.
  public let count: Int

  /// A view of `storage`. Throws `badInput` when an element would lie outside it, when a size is negative, and when
  /// the view repeats elements so often that copying it out would exhaust the memory.
  public init(elementType: ElementType, shape: [Int], strides: [Int], storage: TensorStorage, offset: Int = 0) throws {
    let available = storage.bytes.count / elementType.size
    guard shape.count == strides.count, shape.count <= Self.largestRank, offset >= 0, shape.allSatisfy({ $0 >= 0 }),
      strides.allSatisfy({ $0 >= 0 })
    else { throw Failure(.badInput, "holds a tensor with the impossible shape \(shape) and strides \(strides)") }
    guard let count = checkedProduct(shape) else {
      throw Failure(.badInput, "holds a tensor whose shape \(shape) is too large")
    }
    if count > 0 {
      guard let last = Self.lastElement(shape, strides, offset), last < available else {
        throw Failure(
          .badInput, "holds a tensor of shape \(shape) that does not fit its storage of \(available) elements",
          hint: "the file is damaged or incomplete; download or copy it again")
      }
    }
    guard count <= max(available, Self.largestRepeatedCount) else {
      throw Failure(.badInput, "holds a tensor of shape \(shape) over a storage of only \(available) elements")
    }
    self.elementType = elementType
    self.shape = shape
    self.strides = strides
    self.storage = storage
    self.offset = offset
    self.count = count
  }

  /// A C-contiguous view of `storage` that begins at `offset` elements. Throws as the designated initialiser does.
  public init(elementType: ElementType, shape: [Int], storage: TensorStorage, offset: Int = 0) throws {
    guard shape.allSatisfy({ $0 >= 0 }), checkedProduct(shape.map { max($0, 1) }) != nil else {
      throw Failure(.badInput, "holds a tensor with the impossible shape \(shape)")
    }
    try self.init(
      elementType: elementType, shape: shape, strides: Self.contiguousStrides(shape), storage: storage, offset: offset)
  }

  /// A float32 tensor in memory of its own. Throws `badInput` when `floats` does not have as many values as `shape`.
  public init(floats: [Float], shape: [Int]) throws {
    guard checkedProduct(shape) == floats.count else {
      throw Failure(.badInput, "\(floats.count) values do not fill the shape \(shape)")
    }
    let storage = TensorStorage(count: floats.count * 4) { memory in
      floats.withUnsafeBytes { memory.copyMemory(from: $0) }
    }
    try self.init(elementType: .float32, shape: shape, storage: storage)
  }

  /// NumPy's limit; no network has more than 6 axes.
  private static let largestRank = 64

  /// Views that repeat elements (stride 0, as `expand` makes them) may have at most this many elements.
  private static let largestRepeatedCount = 1 << 20

  /// The strides of a C-contiguous array, in elements.
  static func contiguousStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1) }
    return strides
  }

  /// The position of the last element in its storage, or nil when it is beyond what an integer can hold.
  private static func lastElement(_ shape: [Int], _ strides: [Int], _ offset: Int) -> Int? {
    var last = offset
    for (size, stride) in zip(shape, strides) {
      let (step, tooFar) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, tooLarge) = last.addingReportingOverflow(step)
      if tooFar || tooLarge { return nil }
      last = sum
    }
    return last
  }
}

/// The product of sizes that came from a file; nil when it does not fit an integer or a size is negative.
func checkedProduct(_ sizes: some Sequence<Int>) -> Int? {
  var product = 1
  for size in sizes {
    let (next, overflow) = product.multipliedReportingOverflow(by: size)
    if overflow || size < 0 { return nil }
    product = next
  }
  return product
}
