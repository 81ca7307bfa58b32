import Basics
import Imaging
import Testing

@Suite struct LayoutTests {
  private static let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]

  private func numbered<Element: FixedWidthInteger & BitwiseCopyable & Sendable>(
    _ type: Element.Type, _ shape: Shape3D
  ) -> Volume<Element> {
    Volume(channels: 2, shape: shape, elements: (0..<2 * shape.count).map { Element(truncatingIfNeeded: $0 &* 37) })
  }

  private func checkPermutations<Element: FixedWidthInteger & BitwiseCopyable & Sendable>(_ type: Element.Type) {
    for shape in [Shape3D(3, 20, 37), Shape3D(33, 1, 16), Shape3D(1, 1, 5)] {
      let volume = numbered(type, shape)
      for order in Self.orders {
        let result = volume.permuted(order)
        #expect(result.shape == shape.permuted(order))
        var wrong = 0
        for channel in 0..<2 {
          for z in 0..<shape.z {
            for y in 0..<shape.y {
              for x in 0..<shape.x {
                let old = [z, y, x]
                let value = result[channel, old[order[0]], old[order[1]], old[order[2]]]
                if value != volume[channel, z, y, x] { wrong += 1 }
              }
            }
          }
        }
        #expect(wrong == 0, "\(order) \(shape)")
      }
    }
  }

  @Test func permutationsOfEveryElementSize() {
    checkPermutations(UInt8.self)
    checkPermutations(Int16.self)
    checkPermutations(UInt32.self)
    checkPermutations(Int.self)
  }

  @Test func cropAndPasteAreInverse() throws {
    let volume = numbered(UInt32.self, Shape3D(5, 6, 7))
    let box = Box3D(lower: Shape3D(1, 0, 2), upper: Shape3D(4, 5, 7))
    let piece = try volume.cropped(to: box)
    #expect(piece.shape == Shape3D(3, 5, 5))
    #expect(piece[1, 2, 4, 0] == volume[1, 3, 4, 2])
    var canvas = Volume<UInt32>(channels: 2, shape: volume.shape, repeating: .max)
    try canvas.paste(piece, at: box.lower)
    #expect(try canvas.cropped(to: box).elements == piece.elements)
    #expect(canvas.elements.count { $0 != .max } == piece.elements.count)
  }

  @Test func boxesOutsideAreRefused() throws {
    var volume = numbered(UInt8.self, Shape3D(5, 6, 7))
    #expect(throws: Failure.self) {
      try volume.cropped(to: Box3D(lower: Shape3D(0, 0, 0), upper: Shape3D(5, 6, 8)))
    }
    #expect(throws: Failure.self) {
      try volume.cropped(to: Box3D(lower: Shape3D(-1, 0, 0), upper: Shape3D(5, 6, 7)))
    }
    let piece = volume
    #expect(throws: Failure.self) { try volume.paste(piece, at: Shape3D(1, 0, 0)) }
  }
}
