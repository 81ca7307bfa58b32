import Basics
import Checkpoints
import Imaging

/// A case as nnU-Net 2.6 and later stores it: `CASE.b2nd`, `CASE_seg.b2nd` and `CASE.pkl`. Boxes are decoded on demand.
struct BloscCase: PreprocessedCase {
  let identifier: String
  let properties: PreprocessedProperties
  let channelCount: Int
  let shape: Shape3D
  /// (C, Z, Y, X), float32.
  private let image: BloscArray
  /// (1, Z, Y, X), int8 or int16.
  private let labels: BloscArray

  /// - Parameter stem: the path without its ending.
  init(identifier: String, stem: String, frame: PreprocessedFolder.Frame) throws {
    self.identifier = identifier
    image = try BloscArray(path: stem + ".b2nd")
    labels = try BloscArray(path: stem + "_seg.b2nd")
    let sizes = image.shape
    guard image.elementType == .float32, sizes.count == 4, sizes.allSatisfy({ $0 > 0 }) else {
      throw Failure(.badInput, "is not a float32 array (C, Z, Y, X)", file: stem + ".b2nd")
    }
    guard [.int8, .int16].contains(labels.elementType), labels.shape == [1] + sizes[1...] else {
      throw Failure(.badInput, "is not an int8 or int16 array of the image's shape", file: stem + "_seg.b2nd")
    }
    channelCount = sizes[0]
    shape = Shape3D(sizes[1], sizes[2], sizes[3])
    properties = try PreprocessedProperties.read(stem + ".pkl", shape: shape, frame: frame)
  }

  func read(
    _ box: Box3D, image target: UnsafeMutableBufferPointer<Float>?,
    labels labelTarget: UnsafeMutableBufferPointer<Int16>?
  ) throws {
    try check(box, image: target, labels: labelTarget)
    let count = box.shape.count
    if let target {
      try image.read(
        lower: [0] + box.lower.axes, upper: [channelCount] + box.upper.axes, into: UnsafeMutableRawBufferPointer(target)
      )
    }
    guard let labelTarget else { return }
    let bytes = UnsafeMutableRawBufferPointer(labelTarget)
    try labels.read(lower: [0] + box.lower.axes, upper: [1] + box.upper.axes, into: bytes)
    guard labels.elementType == .int8 else { return }
    // Widened in place, from the end.
    for index in stride(from: count - 1, through: 0, by: -1) {
      labelTarget[index] = Int16(bytes.load(fromByteOffset: index, as: Int8.self))
    }
  }
}
