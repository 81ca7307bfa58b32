import Basics
import Imaging
import TestSupport
import Testing

@Suite struct ComponentsTests {
  /// Numbers, not only partitions, equal scipy's; filled masks equal nnU-Net's.
  @Test func componentsAndHolesEqualTheReference() throws {
    for json in try #require(JSON.read(Golden.path("components.json")).array) {
      let sizes = try #require(json["shape"]?.ints)
      let shape = Shape3D(sizes[0], sizes[1], sizes[2])
      let mask = Volume<UInt8>.drawnMask(
        seed: UInt64(try #require(json["seed"]?.int)), shape: shape, percent: try #require(json["percent"]?.int))
      for (name, connectivity) in [("faces", Connectivity.faces), ("edges", .edges), ("corners", .corners)] {
        let components = ConnectedComponents(of: mask, connectivity: connectivity)
        let found = [components.count, components.labels.elements.withUnsafeBytes { crc32($0) }]
        #expect(found == json[name]?.ints, "\(name), \(shape)")
        #expect(components.sizes.reduce(0, +) == mask.elements.count { $0 != 0 })
      }
      let filled = NonzeroCrop.filledMask(of: Volume(shape: shape, elements: mask.elements.map(Float.init)))
      #expect(filled.elements.count { $0 != 0 } == json["filledCount"]?.int)
      #expect(filled.elements.withUnsafeBytes { crc32($0) } == json["filled"]?.int)
    }
  }

  @Test func emptyMask() {
    #expect(ConnectedComponents(of: Volume(shape: Shape3D(2, 3, 4), repeating: 0)).count == 0)
    #expect(ConnectedComponents(of: Volume(shape: Shape3D(0, 3, 4), repeating: 0)).count == 0)
  }

  @Test func largestComponentOfAUnionOfLabels() {
    // Labels 1 and 2 form a component of 3 diagonally; another 1 stands alone; label 3 is not selected.
    var map = Volume<UInt8>(shape: Shape3D(1, 3, 7), repeating: 0)
    map[0, 0, 0] = 1
    map[0, 1, 1] = 2
    map[0, 2, 2] = 1
    map[0, 0, 5] = 1
    map[0, 2, 6] = 3
    var labels = LabelMap.uint8(map)
    labels.keepLargestComponents(of: [1, 2])
    var expected = map
    expected[0, 0, 5] = 0
    guard case .uint8(let result) = labels else {
      Issue.record("the label type changed")
      return
    }
    #expect(result.elements == expected.elements)
  }

  @Test func tiesKeepAll() {
    var map = Volume<UInt16>(shape: Shape3D(2, 2, 9), repeating: 0)
    map[0, 0, 0] = 700
    map[1, 1, 1] = 700
    map[0, 0, 4] = 700
    map[0, 0, 5] = 700
    map[0, 0, 8] = 700
    var labels = LabelMap.uint16(map)
    labels.keepLargestComponents(of: [700, 70_000, -1])
    map[0, 0, 8] = 0
    guard case .uint16(let result) = labels else {
      Issue.record("the label type changed")
      return
    }
    #expect(result.elements == map.elements)
  }
}
