import Basics

/// An array of numbers in the memory of a device, in C order.
public struct DeviceArray {
  let tensor: TorchTensor

  public var shape: [Int] { tensor.shape }
  public var count: Int { tensor.count }
}

/// What training computes on a device beside the network: PyTorch's operators on whole arrays.
///
/// Shapes are matched as PyTorch does it: from the last axis on, axes of one element are repeated. All functions throw
/// `engine` when the library refuses, and when memory runs out.
public struct DeviceMath: Sendable {
  let library: TorchLibrary
  let device: TorchDevice
  private let numbers: TorchNumbers

  init(_ numbers: TorchNumbers) {
    library = numbers.library
    device = numbers.device
    self.numbers = numbers
  }

  /// Whether the arrays lie in a memory of their own, so that it pays to leave them there.
  public var isRemote: Bool { device.kind == .cuda }

  // MARK: There and back

  /// Memory from which the device copies without the processor's help, and while it computes; nil where there is none.
  public func pinnedMemory(byteCount: Int) -> PinnedMemory? {
    isRemote ? PinnedMemory(library, byteCount: byteCount) : nil
  }

  /// Copies numbers from memory.
  public func array(_ values: UnsafePointer<Float>, _ shape: [Int]) throws -> DeviceArray {
    try upload(values, shape, .float32)
  }

  public func array(_ values: [Float], _ shape: [Int]) throws -> DeviceArray {
    try upload(values, shape, .float32)
  }

  /// In double precision.
  public func array(_ values: [Double], _ shape: [Int]) throws -> DeviceArray {
    try upload(values, shape, .float64)
  }

  /// Labels, as single-precision numbers.
  public func labels(_ values: UnsafePointer<Int16>, _ shape: [Int]) throws -> DeviceArray {
    let integers = try upload(values, shape, .int16)
    return try converted(integers, to: .float32)
  }

  /// One number, for operations with other arrays.
  public func number(_ value: Double) throws -> DeviceArray {
    DeviceArray(tensor: try numbers.tensor(value))
  }

  private func upload(
    _ memory: UnsafeRawPointer, _ shape: [Int], _ element: TorchElement
  ) throws -> DeviceArray {
    let tensor = try library.empty(shape, element: element, on: device)
    try library.fill(tensor, from: memory, of: element, on: device)
    return DeviceArray(tensor: tensor)
  }

  /// Copies single-precision numbers to memory, when they have been computed. The device has nothing to do meanwhile, and
  /// then until it is given more: the fewer such calls, the better.
  ///
  /// - Returns: the numbers of each array.
  public func values(of arrays: [DeviceArray]) throws -> [[Float]] {
    let all = try joined(arrays.map { try reshaped($0, [$0.count]) }, axis: 0)
    var values = [Float](repeating: 0, count: all.count)
    try values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      try library.view(base, all.shape).copy(from: all.tensor)
    }
    var rest = values[...]
    return arrays.map { array in
      defer { rest = rest.dropFirst(array.count) }
      return Array(rest.prefix(array.count))
    }
  }

  /// An array of unknown numbers in single precision.
  public func empty(_ shape: [Int]) throws -> DeviceArray {
    DeviceArray(tensor: try library.empty(shape, on: device))
  }

  // MARK: Shapes

  /// The same numbers in another shape; shares the memory of `array`.
  public func reshaped(_ array: DeviceArray, _ shape: [Int]) throws -> DeviceArray {
    guard shape.reduce(1, *) == array.count, array.tensor.lies(in: .contiguous) else {
      throw Failure(.internalError, "an array of shape \(array.shape) cannot become \(shape)")
    }
    return try part(array, from: 0, shape)
  }

  /// Elements that follow each other, from `offset` on; shares the memory of `array`.
  public func part(_ array: DeviceArray, from offset: Int, _ shape: [Int]) throws -> DeviceArray {
    DeviceArray(
      tensor: try array.tensor.part(offset: offset, shape: shape, strides: TorchLayout.contiguous.strides(shape)))
  }

  /// Copies all numbers of an array to one that exists.
  public func copy(_ array: DeviceArray, to target: DeviceArray) throws { try target.tensor.copy(from: array.tensor) }

  /// The elements along an axis in another order, some of them perhaps not or more than once.
  public func picked(_ array: DeviceArray, axis: Int, _ indices: [Int]) throws -> DeviceArray {
    let integers = indices.map(Int64.init)
    let places = try upload(integers, [indices.count], .int64)
    return try compute("index_select", [.tensor(array.tensor), .integer(axis), .tensor(places.tensor)])
  }

  /// Arrays one behind the other along an axis.
  public func joined(_ arrays: [DeviceArray], axis: Int) throws -> DeviceArray {
    try compute("cat", [.tensors(arrays.map(\.tensor)), .integer(axis)])
  }

  /// Some axes backwards.
  public func mirrored(_ array: DeviceArray, axes: [Int]) throws -> DeviceArray {
    axes.isEmpty ? array : try compute("flip", [.tensor(array.tensor), .integers(axes)])
  }

  /// Whole numbers in double precision as numbers of elements, for `taken`.
  public func places(_ numbers: DeviceArray) throws -> DeviceArray { try converted(numbers, to: .int64) }

  /// The elements whose numbers, counted through the array, are `places`.
  public func taken(_ array: DeviceArray, at places: DeviceArray) throws -> DeviceArray {
    try compute("take", [.tensor(array.tensor), .tensor(places.tensor)])
  }

  /// A copy in single precision.
  public func single(_ array: DeviceArray) throws -> DeviceArray { try converted(array, to: .float32) }

  /// Rounded to half precision, stored in single precision.
  public func halved(_ array: DeviceArray) throws -> DeviceArray {
    try converted(converted(array, to: .float16), to: .float32)
  }

  private func converted(_ array: DeviceArray, to element: TorchElement) throws -> DeviceArray {
    let result = try library.empty(array.shape, element: element, on: device)
    try result.copy(from: array.tensor)
    return DeviceArray(tensor: result)
  }

  // MARK: Element by element

  /// a + factor * b
  public func sum(_ a: DeviceArray, _ b: DeviceArray, factor: Double = 1) throws -> DeviceArray {
    DeviceArray(tensor: try library.sum(a.tensor, b.tensor, factor: factor, on: device))
  }

  public func product(_ a: DeviceArray, _ b: DeviceArray) throws -> DeviceArray { try pair("mul", "Tensor", a, b) }
  public func product(_ a: DeviceArray, _ b: Double) throws -> DeviceArray { try product(a, number(b)) }
  public func quotient(_ a: DeviceArray, _ b: DeviceArray) throws -> DeviceArray { try pair("div", "Tensor", a, b) }
  public func smaller(_ a: DeviceArray, _ b: DeviceArray) throws -> DeviceArray { try pair("minimum", "", a, b) }
  public func larger(_ a: DeviceArray, _ b: DeviceArray) throws -> DeviceArray { try pair("maximum", "", a, b) }

  /// How two numbers are compared.
  public enum Comparison: String {
    case equal = "eq"
    case unequal = "ne"
    case less = "lt"
    case atLeast = "ge"
    case atMost = "le"
  }

  /// Truth values; in products with each other they mean "and", in products with numbers 0 and 1.
  public func compare(_ a: DeviceArray, _ comparison: Comparison, _ b: DeviceArray) throws -> DeviceArray {
    try pair(comparison.rawValue, "Tensor", a, b)
  }

  public func compare(_ a: DeviceArray, _ comparison: Comparison, _ b: Double) throws -> DeviceArray {
    try compare(a, comparison, number(b))
  }

  /// a where `condition` (truth values) holds, b elsewhere.
  public func choice(_ condition: DeviceArray, _ a: DeviceArray, _ b: DeviceArray) throws -> DeviceArray {
    try compute("where", overload: "self", [.tensor(condition.tensor), .tensor(a.tensor), .tensor(b.tensor)])
  }

  /// A function of one number.
  public enum Function: String { case floor, exp, log1p, sigmoid, abs, sqrt }

  public func apply(_ function: Function, to array: DeviceArray) throws -> DeviceArray {
    try compute(function.rawValue, [.tensor(array.tensor)])
  }

  /// a to the power of b.
  public func power(_ a: DeviceArray, _ b: Double) throws -> DeviceArray {
    try pair("pow", "Tensor_Tensor", a, number(b))
  }

  private func pair(
    _ operation: String, _ overload: String, _ a: DeviceArray, _ b: DeviceArray
  ) throws -> DeviceArray {
    try compute(operation, overload: overload, [.tensor(a.tensor), .tensor(b.tensor)])
  }

  // MARK: Along axes

  /// How the elements along axes are summarised.
  public enum Summary { case sum, mean, smallest, largest }

  /// One number for all elements along `axes`, which stay as axes of one element.
  public func summary(_ summary: Summary, of array: DeviceArray, axes: [Int]) throws -> DeviceArray {
    let tensor = TorchArgument.tensor(array.tensor)
    switch summary {
    case .sum:
      return try compute("sum", overload: "dim_IntList", [tensor, .optionalIntegers(axes), .truth(true), .nothing])
    case .mean: return try compute("mean", overload: "dim", [tensor, .optionalIntegers(axes), .truth(true), .nothing])
    case .smallest: return try compute("amin", [tensor, .integers(axes), .truth(true)])
    case .largest: return try compute("amax", [tensor, .integers(axes), .truth(true)])
    }
  }

  /// The logarithms of the softmax along an axis.
  public func logSoftmax(_ array: DeviceArray, axis: Int) throws -> DeviceArray {
    try compute("_log_softmax", [.tensor(array.tensor), .integer(axis), .truth(false)])
  }

  /// The index of the largest element along an axis, the first of several, as a single-precision number.
  public func winner(_ array: DeviceArray, axis: Int) throws -> DeviceArray {
    let largest = try summary(.largest, of: array, axes: [axis])
    let isLargest = try compare(array, .equal, largest)
    let count = array.shape[axis]
    var shape = array.shape.map { _ in 1 }
    shape[axis] = count
    let indices = try self.array((0..<count).map(Float.init), shape)
    return try summary(.smallest, of: choice(isLargest, indices, number(Double(count))), axes: [axis])
  }

  /// The product of matrices, the last two axes of both; earlier axes are matched as elsewhere.
  public func multiplied(_ a: DeviceArray, _ b: DeviceArray) throws -> DeviceArray {
    try compute("matmul", [.tensor(a.tensor), .tensor(b.tensor)])
  }

  private func compute(
    _ operation: String, overload: String = "", _ arguments: [TorchArgument]
  ) throws -> DeviceArray {
    DeviceArray(tensor: try library.compute("aten::" + operation, overload: overload, arguments))
  }
}
