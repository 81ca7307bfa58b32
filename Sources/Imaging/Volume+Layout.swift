import Basics
import CKernels

extension Volume {
  /// The volume with its spatial axes reordered: new axis `i` is old axis `order[i]`. `order` is a permutation of 0, 1, 2.
  public func permuted(_ order: [Int]) -> Volume {
    precondition(order.sorted() == [0, 1, 2], "the order must be a permutation of the three axes")
    if order == [0, 1, 2] { return self }
    let old = shape
    let oldStrides = [old.y * old.x, old.x, 1]
    let size = MemoryLayout<Element>.stride
    let newShape = old.permuted(order)
    let strides = order.map { oldStrides[$0] }
    return rearranged(to: newShape) { source, result in
      let planes = newShape.z
      // Either the old fastest axis stays the fastest and rows are copied, or a plane of it is transposed.
      let work = channels * planes
      Parallel.ranges(work) { range in
        for index in range {
          let (channel, z) = index.quotientAndRemainder(dividingBy: planes)
          if strides[0] != 1 || strides[2] == 1 {
            let from = source.value + (channel * old.count + z * strides[0]) * size
            let to = result.value + (channel * old.count + z * newShape.y * newShape.x) * size
            if strides[2] == 1 {
              for y in 0..<newShape.y {
                (to + y * newShape.x * size).copyMemory(
                  from: from + y * strides[1] * size, byteCount: newShape.x * size)
              }
            } else {
              // strides[1] == 1: rows of the old plane become columns.
              mt_transpose(from, strides[2], to, newShape.x, newShape.x, newShape.y, size)
            }
          }
        }
      }
      guard strides[0] == 1 else { return }
      // The old fastest axis becomes the slowest: for each new y, transpose (old fastest) x (new fastest).
      Parallel.ranges(channels * newShape.y) { range in
        for index in range {
          let (channel, y) = index.quotientAndRemainder(dividingBy: newShape.y)
          mt_transpose(
            source.value + (channel * old.count + y * strides[1]) * size, strides[2],
            result.value + (channel * old.count + y * newShape.x) * size, newShape.y * newShape.x, newShape.x,
            newShape.z, size)
        }
      }
    }
  }

  /// The voxels inside `box`, which must lie within the volume. Throws `badInput` when it does not.
  public func cropped(to box: Box3D) throws -> Volume {
    try box.check(within: shape)
    if box == Box3D(shape) { return self }
    let size = MemoryLayout<Element>.stride
    let inner = box.shape
    let outer = shape
    return rearranged(to: inner) { source, result in
      Parallel.ranges(channels * inner.z) { range in
        for index in range {
          let (channel, z) = index.quotientAndRemainder(dividingBy: max(1, inner.z))
          for y in 0..<inner.y {
            let row = (channel * outer.z + box.lower.z + z) * outer.y + box.lower.y + y
            (result.value + (index * inner.y + y) * inner.x * size).copyMemory(
              from: source.value + (row * outer.x + box.lower.x) * size, byteCount: inner.x * size)
          }
        }
      }
    }
  }

  /// Writes `piece` over the voxels that start at `corner`. Throws `badInput` when it does not fit.
  public mutating func paste(_ piece: Volume, at corner: Shape3D) throws {
    let box = Box3D(
      lower: corner,
      upper: Shape3D(corner.z + piece.shape.z, corner.y + piece.shape.y, corner.x + piece.shape.x))
    try box.check(within: shape)
    guard piece.channels == channels else {
      throw Failure(.badInput, "\(piece.channels) channels cannot be pasted over \(channels)")
    }
    let size = MemoryLayout<Element>.stride
    let inner = piece.shape
    let outer = shape
    let channels = self.channels
    piece.elements.withUnsafeBytes { source in
      elements.withUnsafeMutableBytes { result in
        guard let from = source.baseAddress, let to = result.baseAddress else { return }
        let source = Shared(from)
        let result = Shared(to)
        Parallel.ranges(channels * inner.z) { range in
          for index in range {
            let (channel, z) = index.quotientAndRemainder(dividingBy: max(1, inner.z))
            for y in 0..<inner.y {
              let row = (channel * outer.z + corner.z + z) * outer.y + corner.y + y
              (result.value + (row * outer.x + corner.x) * size).copyMemory(
                from: source.value + (index * inner.y + y) * inner.x * size, byteCount: inner.x * size)
            }
          }
        }
      }
    }
  }

  /// A volume of the same channels whose bytes `move` writes.
  private func rearranged(
    to newShape: Shape3D, _ move: (Shared<UnsafeRawPointer>, Shared<UnsafeMutableRawPointer>) -> Void
  ) -> Volume {
    elements.withUnsafeBytes { source in
      Volume(channels: channels, shape: newShape) { result in
        guard let from = source.baseAddress, let to = result.baseAddress, !result.isEmpty else { return }
        move(Shared(from), Shared(UnsafeMutableRawPointer(to)))
      }
    }
  }
}

extension Box3D {
  /// Throws `badInput` unless the box lies within a volume of `shape`.
  public func check(within shape: Shape3D) throws {
    for axis in 0..<3 where lower[axis] < 0 || lower[axis] > upper[axis] || upper[axis] > shape[axis] {
      throw Failure(.badInput, "the box \(lower) to \(upper) does not lie within \(shape) voxels")
    }
  }

  /// Copies the part of a volume that lies in this box, row by row.
  ///
  /// - Parameters:
  ///   - source: a volume (Z, Y, X) of `shape` that the box lies within.
  ///   - size: of an element in bytes.
  ///   - target: (Z, Y, X) of the box.
  public func copyRows(_ source: UnsafeRawPointer, size: Int, of shape: Shape3D, to target: UnsafeMutableRawPointer) {
    let inner = self.shape
    for z in 0..<inner.z {
      for y in 0..<inner.y {
        let row = ((lower.z + z) * shape.y + lower.y + y) * shape.x + lower.x
        (target + (z * inner.y + y) * inner.x * size).copyMemory(
          from: source + row * size, byteCount: inner.x * size)
      }
    }
  }
}
