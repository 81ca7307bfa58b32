import Basics
import Foundation
import TestSupport
import Testing

@testable import Checkpoints

/// Checkpoints whose tensors do not fit their storages, and checkpoints with random damage.
@Suite struct CheckpointAttackTests {
  /// A checkpoint of one float32 tensor over a storage of six elements.
  private func open(offset: Int, shape: [Int], strides: [Int], count: Int = 6, bytes: Int = 24) throws -> Tensor? {
    let folder = try TemporaryFolder()
    func short(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }
    func long(_ value: Int) -> [UInt8] {
      var bytes: [UInt8] = [0x8A, 8]
      bytes.append(littleEndian: Int64(value))
      return bytes
    }
    func tuple(_ values: [Int]) -> [UInt8] { [UInt8(ascii: "(")] + values.flatMap(long) + [UInt8(ascii: "t")] }
    var stream: [UInt8] = [0x80, 4] + Array("}".utf8) + short("w")
    stream += short("torch._utils") + short("_rebuild_tensor_v2") + [0x93] + Array("((".utf8) + short("storage")
    stream += short("torch") + short("FloatStorage") + [0x93] + short("0") + short("cpu") + long(count)
    stream += Array("tQ".utf8) + long(offset) + tuple(shape) + tuple(strides) + [0x89, 0x7D] + Array("tRs.".utf8)
    let writer = try ZipWriter(path: folder("x.pth"))
    try writer.add("x/data.pkl", stream)
    try [UInt8](repeating: 0, count: bytes).withUnsafeBytes { try writer.add("x/data/0", $0, alignment: 64) }
    try writer.commit()
    return try StateDictionary.open(folder("x.pth"))["w"]
  }

  @Test func tensorsMustFitTheirStorage() throws {
    #expect(try open(offset: 0, shape: [2, 3], strides: [3, 1])?.count == 6)
    #expect(try open(offset: 3, shape: [3], strides: [1])?.count == 3)
    for (offset, shape, strides) in [
      (1, [2, 3], [3, 1]), (0, [2, 3], [4, 1]), (-1, [2], [1]), (0, [2], [-1]), (5, [2], [-1]), (0, [-2], [1]),
      (Int.max, [2], [1]), (0, [Int.max, Int.max], [1, 1]), (0, [2], [Int.max]), (0, [1 << 40], [0]), (0, [2], []),
      (Int.min, [1], [1]), (6, [1], [1]),
    ] as [(Int, [Int], [Int])] {
      #expect(throws: Failure.self) { try open(offset: offset, shape: shape, strides: strides) }
    }
    // The storage claims more elements than its member has, or a nonsensical number.
    for count in [7, 1 << 60, Int.max, -1] {
      #expect(throws: Failure.self) { try open(offset: 0, shape: [6], strides: [1], count: count) }
    }
    #expect(throws: Failure.self) { try open(offset: 0, shape: [6], strides: [1], bytes: 23) }
  }

  @Test(arguments: ["nnunet.pth", "nnunet_v1_legacy.model", "types_legacy.pth", "strided.pth"])
  func everyTruncationFails(file: String) throws {
    let bytes = try Path.read(resource(file))
    let folder = try TemporaryFolder()
    for part in 0..<16 {
      try AtomicFile.write(Array(bytes.prefix(bytes.count * part / 16)), to: folder("x"))
      #expect(throws: Failure.self) { try TorchCheckpoint.open(folder("x")) }
    }
  }

  /// Random damage must give a value or a `Failure`; a crash would end the test process.
  @Test(arguments: [
    ("nnunet.pth", 3000), ("nnunet_v1_legacy.model", 2000), ("strided.pth", 2000), ("types_protocol4.pth", 1000),
    ("deflated.pth", 500), ("types.safetensors", 1000), ("things_2.pkl", 2000), ("things_4.pkl", 2000),
    ("things_0.pkl", 1000), ("arrays.npz", 500),
  ])
  func randomDamageNeverCrashes(file: String, count: Int) throws {
    let original = try Path.read(resource(file))
    let folder = try TemporaryFolder()
    let path = folder("x")
    var random = SeededGenerator(seed: 0xC0FFEE)
    var (read, refused) = (0, 0)
    for _ in 0..<count {
      try Self.writePlainly(Self.damaged(original, &random), to: path)
      do {
        try Self.readEverything(path, like: file)
        read += 1
      } catch is Failure {
        refused += 1
      }
    }
    #expect(read + refused == count)
    #expect(refused > count / 10)
  }

  private static func damaged(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let position = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2:
        // The values most likely to overflow something.
        for step in 0..<min(4, bytes.count - position) { bytes[position + step] = [0xFF, 0x7F, 0x80, 0][step] }
      case 3: bytes.remove(at: position)
      case 4: bytes.insert(UInt8.random(in: 0...255, using: &random), at: position)
      default:
        let length = min(Int.random(in: 1...16, using: &random), bytes.count - position)
        let source = Int.random(in: 0...bytes.count - length, using: &random)
        bytes.replaceSubrange(position..<position + length, with: Array(bytes[source..<source + length]))
      }
      if bytes.isEmpty { bytes = [0] }
    }
    return bytes
  }

  private static func readEverything(_ path: String, like file: String) throws {
    if file.hasSuffix(".pkl") {
      _ = try PickleFile.json(path)
    } else if file.hasSuffix(".npz") {
      let archive = try NPZFile(path: path)
      for name in archive.names { _ = try archive.tensor(named: name).floats() }
    } else {
      for tensor in try StateDictionary.open(path).tensors.values {
        _ = tensor.floats()
        _ = tensor.withContiguousFloats { $0.count }
      }
    }
  }

  /// As `AtomicFile.write`, which flushes to the disk, and thousands of times is too slow.
  private static func writePlainly(_ bytes: [UInt8], to path: String) throws {
    // Overwriting a file would flush it, too.
    unlink(path)
    guard let file = fopen(path, "wb") else { throw Failure(.cannotWrite, systemMessage(), file: path) }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
      throw Failure(.cannotWrite, systemMessage(), file: path)
    }
  }
}
