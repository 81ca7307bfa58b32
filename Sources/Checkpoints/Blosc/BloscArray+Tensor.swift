import Basics

extension BloscArray {
  /// The whole array. Throws `badInput` for damaged chunks, and for a shape that no array has.
  public func tensor() throws -> Tensor {
    // A header may claim anything.
    guard let count = checkedProduct(shape), count <= 1 << 32 else {
      throw Failure(.badInput, "claims to have the shape \(shape)")
    }
    let storage = try TensorStorage(count: count * elementType.size) {
      try read(lower: shape.map { _ in 0 }, upper: shape, into: $0)
    }
    return try Tensor(elementType: elementType, shape: shape, storage: storage)
  }
}
