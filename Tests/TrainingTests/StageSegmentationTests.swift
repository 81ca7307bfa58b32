import Basics
import Checkpoints
import Imaging
import Synchronization
import TestSupport
import Testing

@testable import Training

@Suite struct StageSegmentationTests {
  private let folder: TemporaryFolder
  private let shape = Shape3D(5, 7, 11)
  private let boxes = [
    Box3D(lower: Shape3D(0, 0, 0), upper: Shape3D(5, 7, 11)), Box3D(lower: Shape3D(1, 2, 3), upper: Shape3D(4, 6, 10)),
    Box3D(lower: Shape3D(4, 6, 10), upper: Shape3D(5, 7, 11)), Box3D(lower: Shape3D(2, 2, 2), upper: Shape3D(2, 5, 5)),
  ]

  init() throws { folder = try TemporaryFolder() }

  /// The values as they lie in a file.
  private func bytes(_ values: [Int], _ type: Tensor.ElementType) -> [UInt8] {
    values.flatMap { value in (0..<type.size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  }

  /// A file with `values` in C order, stored or, as float32, deflated.
  private func file(
    _ name: String, _ values: [Int], _ type: Tensor.ElementType, deflated: Bool = false
  ) throws -> String {
    let path = folder(name + ".npz")
    let writer = try NPZWriter(path: path)
    if deflated {
      try writer.begin("seg", shape: shape.axes)
      try values.map { Float($0) }.withUnsafeBufferPointer { try writer.append($0) }
      try writer.end()
    } else {
      try bytes(values, type).withUnsafeBytes { try writer.store("seg", $0, type: type, shape: shape.axes) }
    }
    try writer.commit()
    return path
  }

  private func read(_ segmentation: StageSegmentation, _ box: Box3D) throws -> [Int16] {
    try [Int16](unsafeUninitializedCapacity: box.shape.count) { target, count in
      try segmentation.read(box, into: target)
      count = box.shape.count
    }
  }

  private func part<Element>(_ values: [Element], _ box: Box3D) -> [Element] {
    values.indices.filter { index in
      let place = [index / (shape.y * shape.x), index / shape.x % shape.y, index % shape.x]
      return (0..<3).allSatisfy { place[$0] >= box.lower[$0] && place[$0] < box.upper[$0] }
    }.map { values[$0] }
  }

  @Test(arguments: [Tensor.ElementType.uint8, .int8, .uint16, .int16, .int32, .int64])
  func boxesAreThoseOfTheWhole(type: Tensor.ElementType) throws {
    // All values of one byte, and some that only 16 bits without sign or more can hold.
    let limit = [.uint8, .int8].contains(type) ? 256 : 1 << 16
    let raw = (0..<shape.count).map { $0 * 7919 % limit }
    let expected = raw.map { value -> Int16 in
      switch type {
      case .int8: Int16(Int8(truncatingIfNeeded: value))
      case .int16: Int16(truncatingIfNeeded: value)
      default: Int16(clamping: value)
      }
    }
    let segmentation = try StageSegmentation(path: file("stored", raw, type))
    #expect(segmentation.shape == shape && segmentation.memory == 0)
    for box in boxes { #expect(try read(segmentation, box) == part(expected, box)) }
    #expect(try segmentation.volume().elements == expected)
    // The elements in any other order.
    let turned = try Tensor(
      elementType: type, shape: [11, 7, 5], strides: [1, 11, 77], storage: TensorStorage(bytes(raw, type)))
    let box = Box3D(lower: Shape3D(3, 2, 1), upper: Shape3D(10, 6, 4))
    let found = try read(StageSegmentation(turned), box)
    var next = 0
    for x in 3..<10 {
      for y in 2..<6 {
        for z in 1..<4 {
          #expect(found[next] == expected[(z * 7 + y) * 11 + x])
          next += 1
        }
      }
    }
  }

  @Test func whatIsNoVolumeIsRefused() throws {
    let path = folder("flat.npz")
    try AtomicFile.write([1, 2, 3], to: path)
    #expect(#expect(throws: Failure.self) { try StageSegmentation(path: path) }?.file == path)
    let flat = try Tensor(floats: [1, 2, 3, 4], shape: [2, 2])
    #expect(#expect(throws: Failure.self) { try StageSegmentation(flat) }?.kind == .badInput)
    let segmentation = try StageSegmentation(tensor(of: Volume<Int16>(shape: shape, repeating: 3)))
    #expect(throws: Failure.self) { try read(segmentation, Box3D(Shape3D(6, 7, 11))) }
    let previous = PreviousSegmentations(folder: "folder") { _ in segmentation }
    let failure = #expect(throws: Failure.self) { try previous.segmentation(of: "a", shape: Shape3D(5, 7, 12)) }
    #expect(failure?.kind == .badInput && failure?.file == "folder")
  }

  /// Files that cannot be read in parts are unpacked once, whoever needs them, and forgotten when others need the room.
  @Test func unpackedFilesAreKeptWithinBounds() throws {
    let shape = self.shape
    let bytes = 4 * shape.count
    let paths = try (0..<3).map { number in
      try file("case\(number)", (0..<shape.count).map { $0 % (number + 2) }, .float32, deflated: true)
    }
    let opened = Mutex<[String]>([])
    let previous = PreviousSegmentations(folder: "", capacity: 3 * bytes) { name in
      opened.withLock { $0.append(name) }
      let segmentation = try StageSegmentation(path: paths[Int(name) ?? 0])
      #expect(segmentation.memory >= bytes && segmentation.memory < bytes + 200)
      return segmentation
    }
    func use(_ name: String) throws {
      let divisor = (Int(name) ?? 0) + 2
      #expect(
        try previous.segmentation(of: name, shape: shape).elements == (0..<shape.count).map { Int16($0 % divisor) })
    }
    Parallel.forEach(16) { _ in #expect(throws: Never.self) { _ = try previous.segmentation(of: "0", shape: shape) } }
    try use("1")
    try use("0")
    #expect(opened.withLock { $0 } == ["0", "1"])
    // There is not room for three with their headers.
    try use("2")
    try use("1")
    #expect(opened.withLock { $0 } == ["0", "1", "2"])
    try use("0")
    #expect(opened.withLock { $0 } == ["0", "1", "2", "0"])
  }
}

/// A volume as an array in memory.
func tensor(of volume: Volume<Int16>) throws -> Tensor {
  let storage = TensorStorage(count: 2 * volume.shape.count) { memory in
    volume.elements.withUnsafeBytes { memory.copyMemory(from: $0) }
  }
  return try Tensor(elementType: .int16, shape: volume.shape.axes, storage: storage)
}
