import TestSupport
import Testing

@testable import Basics

@Suite struct LabelDeflateTests {
  /// A label map with blobs that persist from row to row, with borders that wander.
  static func blobs(_ sizes: [Int], labels: Int, seed: UInt64) -> [UInt16] {
    var generator = SeededGenerator(seed: seed)
    let (width, count) = (sizes[0], sizes.reduce(1, *))
    var row = [UInt16](repeating: 0, count: width)
    var result: [UInt16] = []
    result.reserveCapacity(count)
    while result.count < count {
      switch Int.random(in: 0..<8, using: &generator) {
      case 0:
        let (a, b) = (Int.random(in: 0..<width, using: &generator), Int.random(in: 0..<width, using: &generator))
        let label = UInt16.random(in: 0..<UInt16(labels), using: &generator)
        for x in min(a, b)...max(a, b) { row[x] = label }
      case 1...3:
        for x in 1..<max(1, width) where Int.random(in: 0..<8, using: &generator) == 0 { row[x] = row[x - 1] }
      default: break
      }
      result += row
    }
    return result
  }

  static func noise(_ count: Int, labels: Int, seed: UInt64) -> [UInt16] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt16.random(in: 0..<UInt16(labels), using: &generator) }
  }

  /// Inflates with libdeflate and with zlib.
  static func expectRoundTrip(_ labels: [UInt16], bytesPerLabel: Int, sizes: [Int], header: [UInt8] = []) throws {
    let bytes = bytesPerLabel == 1 ? labels.map { UInt8(truncatingIfNeeded: $0) } : []
    try (bytesPerLabel == 1 ? Array(bytes) : labels.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }).withUnsafeBytes {
      let layout = LabelLayout(bytesPerLabel: bytesPerLabel, sizes: sizes)
      let packed = try Gzip.compress(labels: $0, layout: layout, after: header)
      let expected = header + Array($0)
      #expect(try packed.withUnsafeBytes { try Gzip.decompress($0) } == expected, "\(sizes)")
      #expect(try packed.withUnsafeBytes { try Gzip.prefix($0, count: expected.count) } == expected, "\(sizes)")
      let zlib = try Zlib.compress(labels: $0, layout: layout)
      var unpacked = [UInt8](repeating: 0, count: $0.count)
      try zlib.withUnsafeBytes { zlib in try unpacked.withUnsafeMutableBytes { try Zlib.inflate(zlib, into: $0) } }
      #expect(unpacked.elementsEqual($0), "\(sizes)")
    }
  }

  static let shapes = [
    [64, 64, 200], [1, 600, 500], [600, 1, 500], [600, 500, 1], [1, 1, 800_001], [40_000, 3, 3], [32_768, 3, 3],
    [32_769, 3, 3], [16_385, 5, 4], [16_384, 5, 4], [2, 2, 70_000], [3, 5, 20_000], [700, 500, 1],
  ]

  @Test(arguments: shapes, [1, 2]) func labelsComeBack(_ sizes: [Int], _ bytesPerLabel: Int) throws {
    let largest = bytesPerLabel == 1 ? 200 : 60_000
    for labels in [2, 30, largest] {
      let content = Self.blobs(sizes, labels: labels, seed: UInt64(labels))
      try Self.expectRoundTrip(
        content, bytesPerLabel: bytesPerLabel, sizes: sizes, header: Array(repeating: 9, count: 352))
    }
    let count = sizes.reduce(1, *)
    try Self.expectRoundTrip(Self.noise(count, labels: largest, seed: 3), bytesPerLabel: bytesPerLabel, sizes: sizes)
    try Self.expectRoundTrip(Self.noise(count, labels: 2, seed: 4), bytesPerLabel: bytesPerLabel, sizes: sizes)
    for value in [0, 7] {
      try Self.expectRoundTrip(
        Array(repeating: UInt16(value), count: count), bytesPerLabel: bytesPerLabel, sizes: sizes,
        header: Array(repeating: 0, count: 13_000))
    }
  }

  @Test(arguments: [0, 1, 2, 5, 1000, LabelDeflate.threshold - 1, LabelDeflate.threshold, LabelDeflate.threshold + 1])
  func anySizeWorks(_ count: Int) throws {
    try Self.expectRoundTrip(Self.noise(count, labels: 3, seed: 5), bytesPerLabel: 1, sizes: [count, 1, 1])
    try Self.expectRoundTrip(Self.noise(count, labels: 3, seed: 5), bytesPerLabel: 2, sizes: [count, 1, 1])
  }

  @Test func theResultIsSmall() throws {
    let content = Self.blobs([512, 512, 20], labels: 30, seed: 6).map { UInt8($0) }
    let layout = LabelLayout(bytesPerLabel: 1, sizes: [512, 512, 20])
    let packed = try content.withUnsafeBytes { try Gzip.compress(labels: $0, layout: layout) }
    let general = try Gzip.compress(content, level: 6)
    #expect(Double(packed.count) < 1.25 * Double(general.count))
    let empty = [UInt8](repeating: 0, count: content.count)
    let packedEmpty = try empty.withUnsafeBytes { try Gzip.compress(labels: $0, layout: layout) }
    #expect(packedEmpty.count < empty.count / 900)
  }

  /// Weights like Fibonacci's numbers make the deepest trees.
  @Test func codesKeepToTheLimit() {
    var weights: [UInt32] = [1, 1]
    while weights.count < 40 { weights.append(weights[weights.count - 1] + weights[weights.count - 2]) }
    for (limit, frequencies) in [(15, weights), (7, Array(weights[..<19])), (7, [0, 5, 0]), (15, [0, 0, 0])] {
      let code = HuffmanCode(frequencies: frequencies, limit: limit)
      #expect(code.lengths.allSatisfy { $0 <= limit })
      for (symbol, frequency) in frequencies.enumerated() where frequency > 0 { #expect(code.lengths[symbol] > 0) }
      // Kraft: the code is complete.
      #expect(code.lengths.reduce(0) { $1 > 0 ? $0 + (1 << (15 - Int($1))) : $0 } == 1 << 15)
    }
  }
}
