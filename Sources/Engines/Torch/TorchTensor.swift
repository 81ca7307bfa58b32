import Basics
import CTorch

/// How the elements of a tensor lie in memory.
enum TorchLayout: Sendable {
  /// (N, C, spatial axes...) in C order.
  case contiguous
  /// (N, spatial axes..., C): the channels of a voxel side by side.
  case channelsLast

  /// In elements.
  func strides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    var next = 1
    // From the innermost axis outwards.
    let order =
      self == .contiguous || shape.count < 3
      ? Array(shape.indices.reversed()) : [1] + shape.indices.dropFirst(2).reversed() + [0]
    for axis in order {
      strides[axis] = next
      next *= shape[axis]
    }
    return strides
  }
}

/// The type of a tensor's elements.
enum TorchElement: Int32, Sendable {
  case float32 = 0
  case float16 = 1
  case bfloat16 = 2
  case float64 = 3
  case int16 = 4
  case int64 = 5
}

/// A tensor that PyTorch has allocated, or a view of memory; freed with the last reference.
final class TorchTensor {
  let library: TorchLibrary
  let handle: OpaquePointer
  let shape: [Int]
  /// What the memory belongs to, for views.
  private let owner: AnyObject?

  /// Takes a handle over.
  init(_ handle: OpaquePointer?, library: TorchLibrary, owner: AnyObject? = nil) throws {
    guard let handle else { throw Failure(.engine, "PyTorch has returned no tensor") }
    self.library = library
    self.handle = handle
    self.owner = owner
    var rank: Int64 = 0
    var sizes: UnsafePointer<Int64>?
    var strides: UnsafePointer<Int64>?
    try library.check(mt_torch_layout(library.functions, handle, &rank, &sizes, &strides), "tell a tensor's shape")
    shape = (0..<Int(rank)).map { Int(sizes?[$0] ?? 0) }
  }

  deinit { mt_torch_free(library.functions, handle) }

  var count: Int { shape.reduce(1, *) }

  var strides: [Int] {
    var rank: Int64 = 0
    var sizes: UnsafePointer<Int64>?
    var strides: UnsafePointer<Int64>?
    guard mt_torch_layout(library.functions, handle, &rank, &sizes, &strides) == 0 else { return [] }
    return (0..<Int(rank)).map { Int(strides?[$0] ?? 0) }
  }

  /// Whether the elements lie in `layout` without gaps; strides of axes with one element do not matter.
  func lies(in layout: TorchLayout) -> Bool {
    zip(zip(strides, layout.strides(shape)), shape).allSatisfy { $0.0 == $0.1 || $1 == 1 }
  }

  /// The elements of a float32 tensor on the processor.
  var values: UnsafeMutablePointer<Float> {
    get throws {
      var data: UnsafeMutableRawPointer?
      try library.check(mt_torch_data(library.functions, handle, &data), "hand out a tensor's memory")
      guard let data else { throw Failure(.engine, "a tensor of PyTorch has no memory") }
      return data.assumingMemoryBound(to: Float.self)
    }
  }

  /// Copies all elements from `source`, converting them where type, layout or device differ.
  ///
  /// - Parameter waits: See `mt_torch_copy`.
  func copy(from source: TorchTensor, waits: Bool = true) throws {
    try library.check(mt_torch_copy(library.functions, handle, source.handle, waits ? 1 : 0), "copy a tensor")
  }

  func fillWithZeros() throws { try library.check(mt_torch_zero(library.functions, handle), "clear a tensor") }

  /// The value of a tensor of one element.
  func item() throws -> Float {
    var value: Float = 0
    try library.check(mt_torch_item(library.functions, handle, &value), "read a number")
    return value
  }

  /// A part of the memory with a shape of its own; `offset` counts elements from the beginning of this tensor.
  func part(offset: Int, shape: [Int], strides: [Int]) throws -> TorchTensor {
    var part: OpaquePointer?
    try library.check(
      mt_torch_part(
        library.functions, handle, Int64(shape.count), shape.map(Int64.init), strides.map(Int64.init), Int64(offset),
        &part), "make a view of a tensor")
    return try TorchTensor(part, library: library, owner: owner)
  }
}

/// One argument of an operator.
enum TorchArgument {
  case tensor(TorchTensor)
  case optionalTensor(TorchTensor?)
  case tensors([TorchTensor])
  case integer(Int)
  case integers([Int])
  case optionalIntegers([Int]?)
  case truth(Bool)
  case truths([Bool])
  case number(Double)
  case optionalNumber(Double?)
  /// An optional of any type that holds nothing.
  case nothing

  func value(_ library: TorchLibrary) throws -> mt_value {
    var value: mt_value = 0
    switch self {
    case .tensor(let tensor):
      try library.check(mt_torch_argument(library.functions, tensor.handle, &value), "pass a tensor")
    case .optionalTensor(let tensor):
      if let tensor { return try Self.some(Self.tensor(tensor).value(library), library) }
    case .tensors(let tensors): return try Self.list(tensors.map { try Self.tensor($0).value(library) }, library)
    case .integer(let integer): value = mt_value(bitPattern: Int64(integer))
    case .integers(let integers): return try Self.list(integers.map { mt_value(bitPattern: Int64($0)) }, library)
    case .optionalIntegers(let integers):
      if let integers { return try Self.some(Self.integers(integers).value(library), library) }
    case .truth(let truth): value = truth ? 1 : 0
    case .truths(let truths): return try Self.list(truths.map { $0 ? 1 : 0 }, library)
    case .number(let number): value = number.bitPattern
    case .optionalNumber(let number): if let number { return try Self.some(number.bitPattern, library) }
    case .nothing: break
    }
    return value
  }

  private static func list(_ values: [mt_value], _ library: TorchLibrary) throws -> mt_value {
    var list: mt_value = 0
    try library.check(mt_torch_list(library.functions, values, values.count, &list), "pass a list")
    return list
  }

  private static func some(_ content: mt_value, _ library: TorchLibrary) throws -> mt_value {
    var value: mt_value = 0
    try library.check(mt_torch_some(library.functions, content, &value), "pass an argument")
    return value
  }
}

extension TorchLibrary {
  /// Calls an operator and returns its results, all of which are tensors; nil where `kept` says that it is not wanted.
  ///
  /// - Parameters:
  ///   - operation: As PyTorch's dispatcher knows it: "aten::convolution".
  ///   - kept: One for each result.
  @discardableResult
  func call(
    _ operation: String, overload: String = "", _ arguments: [TorchArgument], keeping kept: [Bool] = [true]
  ) throws -> [TorchTensor?] {
    var stack = try arguments.map { try $0.value(self) }
    while stack.count < kept.count { stack.append(0) }
    try check(mt_torch_call(functions, operation, overload, &stack), "run \(operation)")
    return try zip(stack, kept).map { value, isKept in
      guard let handle = mt_torch_result(value) else { return nil }
      if isKept { return try TorchTensor(handle, library: self) }
      mt_torch_free(functions, handle)
      return nil
    }
  }

  /// Calls an operator with one result.
  func compute(_ operation: String, overload: String = "", _ arguments: [TorchArgument]) throws -> TorchTensor {
    guard let result = try call(operation, overload: overload, arguments)[0] else {
      throw Failure(.engine, "PyTorch's \(operation) has returned nothing")
    }
    return result
  }

  /// An uninitialised tensor.
  func empty(
    _ shape: [Int], layout: TorchLayout = .contiguous, element: TorchElement = .float32, on device: TorchDevice = .cpu
  ) throws -> TorchTensor {
    var handle: OpaquePointer?
    try check(
      mt_torch_empty(
        functions, Int64(shape.count), shape.map(Int64.init), layout.strides(shape).map(Int64.init), element.rawValue,
        device.kind.number, device.index, &handle), "allocate a tensor of shape \(shape)")
    return try TorchTensor(handle, library: self)
  }

  /// Copies numbers from memory into a tensor on `device`. The memory may be changed afterwards, but for `PinnedMemory`.
  func fill(
    _ tensor: TorchTensor, from memory: UnsafeRawPointer, of element: TorchElement = .float32, on device: TorchDevice
  ) throws {
    // To wait for a graphics processor would leave it with nothing to do.
    try tensor.copy(from: view(memory, tensor.shape, of: element), waits: device.kind != .cuda)
  }

  /// A tensor over single-precision numbers in memory that outlives it, or that `owner` keeps alive.
  func view(
    _ memory: UnsafePointer<Float>, _ shape: [Int], layout: TorchLayout = .contiguous, owner: AnyObject? = nil
  ) throws -> TorchTensor {
    try view(memory, shape, of: .float32, layout: layout, owner: owner)
  }

  /// The same of other numbers.
  func view(
    _ memory: UnsafeRawPointer, _ shape: [Int], of element: TorchElement, layout: TorchLayout = .contiguous,
    owner: AnyObject? = nil
  ) throws -> TorchTensor {
    var handle: OpaquePointer?
    try check(
      mt_torch_view(
        functions, UnsafeMutableRawPointer(mutating: memory), Int64(shape.count), shape.map(Int64.init),
        layout.strides(shape).map(Int64.init), element.rawValue, &handle), "make a view of memory")
    return try TorchTensor(handle, library: self, owner: owner)
  }
}

extension TorchLibrary {
  /// The sum of a tensor and a multiple of another on one device. (PyTorch's dispatcher refuses additions, which take a
  /// scalar.)
  func sum(
    _ one: TorchTensor, _ other: TorchTensor, factor: Double = 1, on device: TorchDevice
  ) throws -> TorchTensor {
    var sum: OpaquePointer?
    try check(mt_torch_add(functions, device.kind.number, one.handle, other.handle, factor, &sum), "add tensors")
    return try TorchTensor(sum, library: self)
  }
}
