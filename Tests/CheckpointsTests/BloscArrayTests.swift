import Basics
import Foundation
import TestSupport
import Testing

@testable import Checkpoints

/// Blosc2 arrays, against what `Resources/make_blosc.py` has put into them.
@Suite struct BloscArrayTests {
  private static let shape = [3, 13, 21, 18]

  private static func path(_ name: String) -> String { Bundle.module.bundlePath + "/Resources/blosc/\(name).b2nd" }

  private static func value(_ index: [Int]) -> Int {
    let flat = zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
    return [flat * 37 % 101 - 7, 0, 5][index[0]]
  }

  private func expected(_ lower: [Int], _ upper: [Int]) -> [Int] {
    var values: [Int] = []
    for c in lower[0]..<upper[0] {
      for z in lower[1]..<upper[1] {
        for y in lower[2]..<upper[2] {
          for x in lower[3]..<upper[3] { values.append(Self.value([c, z, y, x])) }
        }
      }
    }
    return values
  }

  private func read(_ array: BloscArray, _ lower: [Int], _ upper: [Int]) throws -> [Int] {
    let count = zip(lower, upper).reduce(1) { $0 * ($1.1 - $1.0) }
    var bytes = [UInt8](repeating: 0xAA, count: count * array.elementType.size)
    try bytes.withUnsafeMutableBytes { try array.read(lower: lower, upper: upper, into: $0) }
    return try Tensor(elementType: array.elementType, shape: [count], storage: TensorStorage(bytes)).integers()
  }

  @Test(
    arguments: [
      "lz4hc_plain", "lz4_shuffle", "lz4hc_shuffle", "lz4_bitshuffle", "zlib_shuffle", "lz4_bytes", "zstd_shuffle",
    ])
  func boxesAreDecoded(name: String) throws {
    if name == "zstd_shuffle" { try #require(Zstandard.isAvailable, "the system has no libzstd") }
    let array = try BloscArray(path: Self.path(name))
    #expect(array.shape == Self.shape)
    for (lower, upper) in [
      ([0, 0, 0, 0], Self.shape), ([0, 3, 5, 2], [3, 13, 21, 17]), ([2, 12, 20, 17], [3, 13, 21, 18]),
      ([0, 4, 8, 10], [1, 8, 16, 18]), ([1, 1, 1, 1], [2, 1, 5, 5]),
    ] {
      #expect(try read(array, lower, upper) == expected(lower, upper))
    }
    #expect(throws: Failure.self) { try read(array, [0, 0, 0, 0], [3, 13, 21, 19]) }
  }

  /// What nnU-Net leaves for the next stage of a cascade.
  @Test(.enabled(if: Zstandard.isAvailable, "the system has no libzstd"))
  func wholeArrays() throws {
    let tensor = try BloscArray(path: Self.path("stage")).tensor()
    #expect(tensor.shape == [9, 16, 12] && tensor.elementType == .uint8)
    #expect(try tensor.integers() == (0..<9 * 16 * 12).map { $0 / 5 % 3 })
  }

  /// Whatever length a copy was broken off at.
  @Test(arguments: ["lz4hc_plain", "zstd_shuffle"])
  func truncatedFilesAreDamaged(name: String) throws {
    let folder = try TemporaryFolder()
    let bytes = try Path.read(Self.path(name))
    for length in Array(stride(from: 0, to: bytes.count, by: 61)) + [bytes.count - 1] {
      try AtomicFile.write(Array(bytes[..<length]), to: folder("a.b2nd"), flushes: false)
      let failure = #expect(throws: Failure.self) {
        _ = try read(BloscArray(path: folder("a.b2nd")), [0, 0, 0, 0], Self.shape)
      }
      #expect(failure?.kind == .badInput && failure?.file == folder("a.b2nd"))
    }
  }

  /// Headers whose sizes are larger than anything the file holds, at every place where a number may stand.
  @Test func lyingSizesAreDamage() throws {
    let folder = try TemporaryFolder()
    let bytes = try Path.read(Self.path("lz4_shuffle"))
    for place in 8..<320 {
      for lie: UInt32 in [.max, .max >> 1, 1 << 31, 0] {
        var damaged = bytes
        damaged.replaceSubrange(place..<place + 4, with: (0..<4).map { UInt8(lie >> (24 - 8 * $0) & 0xFF) })
        try AtomicFile.write(damaged, to: folder("a.b2nd"), flushes: false)
        do {
          let array = try BloscArray(path: folder("a.b2nd"))
          guard array.shape == Self.shape else { continue }
          _ = try read(array, [0, 0, 0, 0], Self.shape)
        } catch let failure as Failure {
          #expect(failure.kind == .badInput, "\(failure)")
        }
      }
    }
  }

  /// Damage anywhere is found or harmless, never a crash.
  @Test(arguments: ["lz4_shuffle", "lz4_bitshuffle", "zlib_shuffle", "zstd_shuffle"])
  func damageIsFound(name: String) throws {
    let folder = try TemporaryFolder()
    let bytes = try Path.read(Self.path(name))
    var generator = SeededGenerator(seed: 3)
    for trial in 0..<300 {
      let changed = damaged(bytes, trial: trial, header: 300, using: &generator)
      try AtomicFile.write(changed, to: folder("a.b2nd"), flushes: false)
      do {
        let array = try BloscArray(path: folder("a.b2nd"))
        guard array.shape == Self.shape else { continue }
        _ = try read(array, [0, 0, 0, 0], Self.shape)
      } catch let failure as Failure {
        #expect(failure.kind == .badInput, "\(failure)")
      }
    }
  }
}
