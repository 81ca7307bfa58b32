import Basics

/// An array of numbers in a `.b2nd` file: a Blosc2 frame whose chunks and blocks are boxes of the array.
///
/// Boxes are read without decoding what lies outside their blocks.
public struct BloscArray: Sendable {
  public let shape: [Int]
  public let elementType: Tensor.ElementType
  private let frame: BloscFrame
  private let chunkShape: [Int]
  private let blockShape: [Int]
  /// Blocks along each axis of a chunk.
  private let blocks: [Int]

  /// Opens the file at `path`. Throws `missingInput`, and `badInput` for anything malformed or not numeric.
  public init(path: String) throws {
    let frame = try BloscFrame(path: path)
    let layout = try locating(path) { try Layout(frame) }
    self.frame = frame
    shape = layout.shape
    chunkShape = layout.chunk
    blockShape = layout.block
    elementType = layout.type
    blocks = layout.blocks
  }

  /// What the metadata say about the array.
  private struct Layout {
    let shape: [Int]
    let chunk: [Int]
    let block: [Int]
    let type: Tensor.ElementType
    let blocks: [Int]

    /// Throws `badInput`.
    init(_ frame: BloscFrame) throws {
      guard let description = frame.metadata["b2nd"] else {
        throw Failure(.badInput, "is a Blosc2 frame, but not of an array")
      }
      let storage = TensorStorage(description)
      defer { withExtendedLifetime(storage) {} }
      var reader = MessagePackReader(storage.bytes)
      guard try reader.arrayCount() >= 5 else { throw BloscArray.damaged }
      _ = try reader.integer()
      let rank = try reader.integer()
      shape = try Self.sizes(&reader, rank)
      chunk = try Self.sizes(&reader, rank)
      block = try Self.sizes(&reader, rank)
      _ = try reader.integer()
      let code = try reader.string()
      let numPyType = NumPyType(code)
      guard let type = numPyType.elementType, !numPyType.isBigEndian || type.size == 1 else {
        throw Failure(.badInput, "holds elements of the type \(code), which are not supported")
      }
      self.type = type
      guard (1...8).contains(shape.count), type.size == frame.typeSize, (chunk + block).allSatisfy({ $0 > 0 }),
        (shape + chunk + block).allSatisfy({ $0 < 1 << 31 }), zip(block, chunk).allSatisfy({ $0 <= $1 })
      else { throw BloscArray.damaged }
      blocks = zip(chunk, block).map { ($0 + $1 - 1) / $1 }
      // Chunks are filled up to whole blocks, and the array to whole chunks.
      let chunks = zip(shape, chunk).map { ($0 + $1 - 1) / $1 }
      guard checkedProduct(zip(blocks, block).map { $0 * $1 } + [type.size]) == frame.chunkSize,
        checkedProduct(chunks) == frame.chunkCount
      else { throw BloscArray.damaged }
    }

    private static func sizes(_ reader: inout MessagePackReader, _ rank: Int) throws -> [Int] {
      guard try reader.arrayCount() == rank else { throw BloscArray.damaged }
      return try (0..<rank).map { _ in try reader.integer() }
    }
  }

  fileprivate static let damaged = Failure(
    .badInput, "has a malformed description of its array", hint: "preprocess the dataset again")

  /// Copies the box from `lower` to `upper` (one number per axis, within the array) to `target` in C order.
  ///
  /// Throws `badInput` for damaged chunks.
  public func read(lower: [Int], upper: [Int], into target: UnsafeMutableRawBufferPointer) throws {
    let size = elementType.size
    let extents = zip(lower, upper).map { $1 - $0 }
    guard lower.count == shape.count, upper.count == shape.count,
      zip(zip(lower, upper), shape).allSatisfy({ $0.0 >= 0 && $0.0 <= $0.1 && $0.1 <= $1 }),
      checkedProduct(extents + [size]).map({ $0 <= target.count }) == true
    else { throw Failure(.internalError, "the box to be read does not lie within the array", file: frame.file.path) }
    guard extents.allSatisfy({ $0 > 0 }), let base = target.baseAddress else { return }
    let blockBytes = blockShape.reduce(size, *)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * blockBytes, alignment: 64)
    defer { memory.deallocate() }
    let decoded = UnsafeMutableRawBufferPointer(rebasing: memory[..<blockBytes])
    let scratch = UnsafeMutableRawBufferPointer(rebasing: memory[blockBytes...])
    let grid = zip(shape, chunkShape).map { ($0 + $1 - 1) / $1 }
    try withExtendedLifetime(frame.file) {
      try locating(frame.file.path) {
        try Self.forEachCell(lower, upper, chunkShape) { chunk in
          let number = zip(chunk, grid).reduce(0) { $0 * $1.1 + $1.0 }
          let content = try frame.chunk(number)
          if let content, content.size != frame.chunkSize || content.blockSize != blockBytes {
            throw BloscChunk.damaged
          }
          let start = zip(chunk, chunkShape).map { $0 * $1 }
          let from = zip(lower, start).map { max(0, $0 - $1) }
          let to = zip(zip(upper, start), chunkShape).map { min($1, $0.0 - $0.1) }
          try Self.forEachCell(from, to, blockShape) { block in
            if let content {
              try content.decode(
                zip(block, blocks).reduce(0) { $0 * $1.1 + $1.0 }, into: decoded, scratch: scratch)
            } else {
              decoded.initializeMemory(as: UInt8.self, repeating: 0)
            }
            let corner = zip(start, zip(block, blockShape)).map { $0 + $1.0 * $1.1 }
            // What of the block lies in the box, in the block's own coordinates.
            let inFrom = zip(lower, corner).map { max(0, $0 - $1) }
            let limit = zip(zip(to, start), corner).map { $0.0 + $0.1 - $1 }
            let inTo = zip(limit, blockShape).map { min($0, $1) }
            copy(decoded, inFrom, inTo, corner: corner, to: base, lower: lower, extents: extents)
          }
        }
      }
    }
  }

  /// Copies rows of a decoded block to their places in the box.
  private func copy(
    _ block: UnsafeMutableRawBufferPointer, _ from: [Int], _ to: [Int], corner: [Int],
    to target: UnsafeMutableRawPointer, lower: [Int], extents: [Int]
  ) {
    let size = elementType.size
    let last = shape.count - 1
    guard zip(from, to).allSatisfy({ $0 < $1 }), let source = block.baseAddress else { return }
    var index = from
    while true {
      var (inBlock, inBox) = (0, 0)
      for axis in 0...last {
        inBlock = inBlock * blockShape[axis] + index[axis]
        inBox = inBox * extents[axis] + corner[axis] + index[axis] - lower[axis]
      }
      (target + inBox * size).copyMemory(from: source + inBlock * size, byteCount: (to[last] - from[last]) * size)
      var axis = last - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < to[axis] { break }
        index[axis] = from[axis]
        axis -= 1
      }
      if axis < 0 { return }
    }
  }

  /// Calls `body` with the position in the grid of every cell that the box touches.
  private static func forEachCell(
    _ lower: [Int], _ upper: [Int], _ cell: [Int], _ body: ([Int]) throws -> Void
  ) throws {
    let first = zip(lower, cell).map { $0 / $1 }
    let last = zip(upper, cell).map { ($0 - 1) / $1 }
    var position = first
    while true {
      try body(position)
      var axis = position.count - 1
      while axis >= 0 {
        position[axis] += 1
        if position[axis] <= last[axis] { break }
        position[axis] = first[axis]
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}
