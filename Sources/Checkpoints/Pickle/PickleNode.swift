/// A value on the stack of the pickle machine.
enum PickleItem {
  case none
  case bool(Bool)
  case int(Int)
  case bigInteger([UInt8])
  case float(Double)
  case string(String)
  case bytes([UInt8])
  /// Bytes that were left in the file.
  case stored(TensorStorage)
  case global(PickleGlobal)
  case node(PickleNode)

  var node: PickleNode? {
    guard case .node(let node) = self else { return nil }
    return node
  }

  var int: Int? {
    switch self {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  var string: String? {
    guard case .string(let value) = self else { return nil }
    return value
  }

  var global: PickleGlobal? {
    guard case .global(let value) = self else { return nil }
    return value
  }

  /// The elements of a tuple or list.
  var sequence: [PickleItem]? {
    guard let node else { return nil }
    switch node.kind {
    case .tuple, .list: return node.items
    default: return nil
    }
  }

  /// A tuple or list of integers.
  var ints: [Int]? {
    guard let sequence else { return nil }
    let ints = sequence.compactMap(\.int)
    return ints.count == sequence.count ? ints : nil
  }

  /// Bytes, or the string that stands for bytes in pickles of Python 2.
  var content: [UInt8]? {
    switch self {
    case .bytes(let bytes): bytes
    case .stored(let storage): withExtendedLifetime(storage) { Array(storage.bytes) }
    case .string(let string): string.latin1
    default: nil
    }
  }
}

/// Anything that other values can refer to and that later opcodes may still fill: containers, and objects under
/// construction. Pickle gives these identity (a list in the memo is the same list everywhere), hence a class.
final class PickleNode {
  enum Kind {
    case list, tuple, set
    /// `items` alternates keys and values, in the order they were set, with repetitions.
    case dictionary
    /// An instance of something unknown; `items` holds the arguments.
    case object(PickleGlobal)
    case storage(StorageReference)
    /// `items[0]` is the storage.
    case tensor(Tensor.ElementType, offset: Int, shape: [Int], strides: [Int])
    case dataType(NumPyType)
    /// `items[0]` is the content, bytes or a list, once it is known.
    case array(NumPyType, shape: [Int], isFortranOrder: Bool)
  }

  var kind: Kind
  var items: [PickleItem]
  /// The argument of BUILD, for objects.
  var state: PickleItem?

  init(_ kind: Kind, _ items: [PickleItem] = []) {
    self.kind = kind
    self.items = items
  }
}

/// The bytes of a tensor, as a checkpoint names them before they have been found.
struct StorageReference: Hashable {
  var key: String
  /// Nil for types that Microtome does not compute with (complex, quantised, float8).
  var elementType: Tensor.ElementType?
  /// The number of elements, or of bytes for an untyped storage.
  var count: Int
  /// Where in the storage called `key` this one begins, in elements; only pre-2017 files have such views.
  var start = 0

  /// The number of bytes up to the end of this storage; nil when it does not fit an integer.
  var byteCount: Int? {
    let (end, overflow) = start.addingReportingOverflow(count)
    return overflow || start < 0 || count < 0 ? nil : checkedProduct([end, elementType?.size ?? 1])
  }
}
