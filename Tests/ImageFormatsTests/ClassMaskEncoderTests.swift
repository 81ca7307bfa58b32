import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

@Suite struct ClassMaskEncoderTests {
  static func labels(_ shape: Shape3D, seed: UInt64, share: Int) -> Volume<UInt8> {
    var generator = SeededGenerator(seed: seed)
    var elements: [UInt8] = []
    while elements.count < shape.count {
      let label: UInt8 =
        Int.random(in: 0..<share, using: &generator) == 0 ? UInt8.random(in: 1...255, using: &generator) : 0
      let length = Int.random(in: 1...(label == 0 ? 5000 : 300), using: &generator)
      elements += repeatElement(label, count: min(length, shape.count - elements.count))
    }
    return Volume(shape: shape, elements: elements)
  }

  static func inflate(_ packed: [UInt8], header: [UInt8]) throws -> [UInt8] {
    let content = try packed.withUnsafeBytes { try Gzip.decompress($0) }
    #expect(content.starts(with: header))
    return Array(content[header.count...])
  }

  @Test(arguments: [
    Shape3D(1, 1, 1), Shape3D(1, 1, 700), Shape3D(3, 7, 11), Shape3D(40, 1, 1), Shape3D(9, 512, 512),
    Shape3D(2, 9, 70_000),
  ]) func masksAreThoseOfTheLabels(_ shape: Shape3D) throws {
    let header = [UInt8](repeating: 3, count: 352)
    for share in [1, 2, 20] {
      let volume = Self.labels(shape, seed: UInt64(share), share: share)
      let encoder = ClassMaskEncoder(labels: volume)
      for label: UInt8 in [0, 1, 2, 100, 254, 255] {
        let mask = try Self.inflate(encoder.gzip(of: label, header: header), header: header)
        #expect(mask == volume.elements.map { $0 == label ? 1 : 0 }, "\(shape), label \(label)")
        #expect(encoder.contains(label) == volume.elements.contains(label))
      }
      for union: Set<UInt8> in [[], [0], [3, 4, 5, 6, 7], Set(1...255), Set(0...255), Set(0...100), Set(20...200)] {
        let mask = try Self.inflate(encoder.gzip(of: union, header: header), header: header)
        #expect(mask == volume.elements.map { union.contains($0) ? 1 : 0 }, "\(shape), \(union.count) labels")
      }
    }
  }

  /// Runs longer than one number can say, and checksums of long stretches.
  @Test func longRunsAreWhole() throws {
    let shape = Shape3D(75, 512, 512)
    var volume = Volume<UInt8>(shape: shape, repeating: 9)
    let whole = try Self.inflate(ClassMaskEncoder(labels: volume).gzip(of: 9, header: []), header: [])
    #expect(whole.count == shape.count && whole.allSatisfy { $0 == 1 })
    let none = try Self.inflate(ClassMaskEncoder(labels: volume).gzip(of: 8, header: []), header: [])
    #expect(none.count == shape.count && none.allSatisfy { $0 == 0 })
    volume.elements[shape.count - 1] = 8
    let encoder = ClassMaskEncoder(labels: volume)
    let last = try Self.inflate(encoder.gzip(of: 8, header: []), header: [])
    #expect(last.firstIndex(of: 1) == shape.count - 1)
    let others = try Self.inflate(encoder.gzip(of: Set(0...255).subtracting([8]), header: []), header: [])
    #expect(others.lastIndex(of: 1) == shape.count - 2)
    // An empty mask takes two bits for 258 voxels.
    #expect(try encoder.gzip(of: 1, header: []).count < shape.count / 1000)
  }

  @Test func anEmptyVolumeIsOnlyAHeader() throws {
    let encoder = ClassMaskEncoder(labels: Volume(shape: Shape3D(0, 3, 3), elements: []))
    #expect(try Self.inflate(encoder.gzip(of: 1, header: [1, 2]), header: [1, 2]).isEmpty)
  }

  @Test func threadsMayEncodeAtOnce() throws {
    let volume = Self.labels(Shape3D(30, 200, 200), seed: 5, share: 2)
    let encoder = ClassMaskEncoder(labels: volume)
    var files = [[UInt8]](repeating: [], count: 256)
    files.withUnsafeMutableBufferPointer { files in
      let shared = Shared(files)
      Parallel.forEach(256) { shared.value[$0] = (try? encoder.gzip(of: UInt8($0), header: [])) ?? [] }
    }
    for label in stride(from: 0, to: 256, by: 17) {
      let mask = try Self.inflate(files[label], header: [])
      #expect(mask == volume.elements.map { Int($0) == label ? 1 : 0 })
    }
  }
}
