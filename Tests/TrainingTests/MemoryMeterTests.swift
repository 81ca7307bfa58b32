import Basics
import Testing

@testable import Training

@Suite struct MemoryMeterTests {
  private static let size = 64 << 10

  /// Small pieces, which the C library keeps when they are freed, each with its pages there.
  private func pieces(_ bytes: Int) -> [UnsafeMutableRawPointer] {
    (0..<bytes / Self.size).map { _ in
      let piece = UnsafeMutableRawPointer.allocate(byteCount: Self.size, alignment: 16)
      piece.initializeMemory(as: UInt8.self, repeating: 1, count: Self.size)
      return piece
    }
  }

  /// What was freed before the measurement, as training leaves it, and is used again during it, counts. Other tests of
  /// this process come and go meanwhile, so a half of it will do.
  @Test func memoryThatIsUsedAgainCounts() throws {
    let bytes = 256 << 20
    let before = pieces(bytes)
    // What lies behind keeps the heap from shrinking by itself.
    let last = pieces(Self.size)
    for piece in before { piece.deallocate() }
    let meter = MemoryMeter()
    let during = pieces(bytes)
    for piece in during + last { piece.deallocate() }
    #if os(Linux)
      #expect(try #require(meter.peak) >= bytes / 2)
    #else
      #expect(meter.peak == nil)
    #endif
  }
}
