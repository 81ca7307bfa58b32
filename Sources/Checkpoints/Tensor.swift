import Basics

/// A trained array as it lies in its file: a typed, shaped view of mapped bytes.
public struct Tensor: Sendable {
  public enum ElementType: String, Sendable, CaseIterable {
    case float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool

    /// Bytes per element.
    public var size: Int {
      switch self {
      case .float64, .int64: 8
      case .float32, .int32: 4
      case .float16, .bfloat16, .int16: 2
      case .int8, .uint8, .bool: 1
      }
    }
  }

  public let elementType: ElementType
  public let shape: [Int]
  /// In elements, one per axis.
  public let strides: [Int]
  /// The file the bytes belong to; keeps the mapping alive.
  public let file: MappedFile
  /// The byte range of the whole storage in `file`, and where in it this tensor begins, in elements.
  public let storage: Range<Int>
  public let offset: Int

  public init(
    elementType: ElementType, shape: [Int], strides: [Int], file: MappedFile, storage: Range<Int>, offset: Int
  ) {
    self.elementType = elementType
    self.shape = shape
    self.strides = strides
    self.file = file
    self.storage = storage
    self.offset = offset
  }

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }
}
