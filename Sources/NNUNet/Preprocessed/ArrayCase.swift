import Basics
import Checkpoints
import Imaging

/// A case in NumPy arrays: `CASE.npz` with `data` and `seg`, or what nnU-Net has unpacked it to, `CASE.npy` and
/// `CASE_seg.npy`.
///
/// Arrays that are stored are mapped; compressed ones are unpacked once.
struct ArrayCase: PreprocessedCase {
  let identifier: String
  let properties: PreprocessedProperties
  let channelCount: Int
  let shape: Shape3D
  /// (C, Z, Y, X), float32.
  private let image: Tensor
  /// (1, Z, Y, X), int8 or int16.
  private let labels: Tensor

  /// - Parameter stem: the path without its ending.
  init(identifier: String, stem: String, frame: PreprocessedFolder.Frame) throws {
    self.identifier = identifier
    let archive = stem + ".npz"
    if Path.exists(stem + ".npy"), Path.exists(stem + "_seg.npy") {
      image = try NPYFile.read(stem + ".npy")
      labels = try NPYFile.read(stem + "_seg.npy")
    } else {
      let file = try NPZFile(path: archive)
      image = try file.tensor(named: "data", verifies: false)
      labels = try file.tensor(named: "seg", verifies: false)
    }
    let sizes = image.shape
    guard image.elementType == .float32, image.isContiguous, sizes.count == 4, sizes.allSatisfy({ $0 > 0 }) else {
      throw Failure(.badInput, "\"data\" is not a float32 array (C, Z, Y, X)", file: archive)
    }
    guard [.int8, .int16].contains(labels.elementType), labels.isContiguous, labels.shape == [1] + sizes[1...] else {
      throw Failure(.badInput, "\"seg\" is not an int8 or int16 array of the image's shape", file: archive)
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
    let inner = box.shape
    guard inner.count > 0 else { return }
    if let base = target?.baseAddress, let source = image.rawBytes?.baseAddress {
      for channel in 0..<channelCount {
        box.copyRows(
          source + 4 * channel * shape.count, size: 4, of: shape,
          to: UnsafeMutableRawPointer(base + channel * inner.count))
      }
    }
    if let base = labelTarget?.baseAddress, let source = labels.rawBytes?.baseAddress {
      if labels.elementType == .int16 {
        box.copyRows(source, size: 2, of: shape, to: UnsafeMutableRawPointer(base))
      } else {
        widen(source.assumingMemoryBound(to: Int8.self), box, to: base)
      }
    }
    withExtendedLifetime((image, labels)) {}
  }

  private func widen(_ source: UnsafePointer<Int8>, _ box: Box3D, to target: UnsafeMutablePointer<Int16>) {
    let inner = box.shape
    for z in 0..<inner.z {
      for y in 0..<inner.y {
        let from = source + ((box.lower.z + z) * shape.y + box.lower.y + y) * shape.x + box.lower.x
        let to = target + (z * inner.y + y) * inner.x
        for x in 0..<inner.x { to[x] = Int16(from[x]) }
      }
    }
  }
}
