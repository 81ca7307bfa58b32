import Basics
import Imaging
import TestSupport
import Testing

/// The fast implementations against obvious ones, on drawn label maps: rows longer than a machine word or a vector, volumes
/// thinner than a kernel, slabs that many threads join, every label.
@Suite struct MorphologyCrossCheckTests {
  static let maps: [Volume<UInt8>] = {
    var maps: [Volume<UInt8>] = []
    var seed: UInt64 = 70_000
    for shape in [Shape3D(37, 11, 67), Shape3D(2, 50, 128), Shape3D(64, 3, 5), Shape3D(1, 1, 200), Shape3D(9, 9, 9)] {
      for (block, permille, number) in [(1, 500, 255), (1, 999, 2), (2, 600, 2), (3, 900, 3), (5, 300, 90)] {
        maps.append(.drawnCubes(seed: seed, shape: shape, block: block, permille: permille, number: number))
        seed += 1
      }
    }
    return maps
  }()

  @Test(arguments: Connectivity.allCases) func componentsAreThoseOfAFlood(connectivity: Connectivity) {
    for map in Self.maps {
      let flooded = Flood(map, connectivity)
      for (labels, limit) in [(LabelSet.all, 1), (.all, 20), ([2], 5), ([1, 255, 90], 3)] {
        var filtered = map
        filtered.removeSmallComponents(of: labels, atMost: limit, connectivity: connectivity)
        let expected = map.elements.indices.map { index in
          let label = map.elements[index]
          return labels.contains(label) && flooded.sizes[flooded.numbers[index]] <= limit ? 0 : label
        }
        #expect(filtered.elements == expected)
      }
      for order in ScanOrder.allCases {
        let measured = MeasuredComponents(of: map, byLabel: true, connectivity: connectivity, order: order)
        #expect(measured.components.count == flooded.sizes.count)
        let labels = measured.labels(in: map)
        for (component, labels) in zip(measured.components, labels) {
          let voxel = component.firstVoxel
          #expect(labels.labels == [map[voxel.z, voxel.y, voxel.x]])
          #expect(component.size == flooded.sizes[flooded.numbers[map.index(0, voxel.z, voxel.y, voxel.x)]])
        }
        #expect(measured.components.isSorted(in: order))
        #expect(measured.painted(labels.map { $0.labels[0] }).elements == map.elements)
      }
    }
  }

  @Test func crossesAreDistances() {
    for map in Self.maps {
      for iterations in [1, 2, 4, 9] {
        var (dilated, eroded) = (map, map)
        dilated.dilate(iterations: iterations)
        eroded.erode(iterations: iterations)
        var (slowlyDilated, slowlyEroded) = (map.elements.map { $0 != 0 }, map.elements.map { $0 != 0 })
        for _ in 0..<iterations {
          slowlyDilated = map.shape.everyVoxel.map { voxel in
            slowlyDilated[map.shape.index(voxel)]
              || map.shape.faceNeighbours(voxel).contains { $0.map { slowlyDilated[map.shape.index($0)] } ?? false }
          }
          slowlyEroded = map.shape.everyVoxel.map { voxel in
            slowlyEroded[map.shape.index(voxel)]
              && map.shape.faceNeighbours(voxel).allSatisfy { $0.map { slowlyEroded[map.shape.index($0)] } ?? false }
          }
        }
        #expect(dilated.elements == slowlyDilated.map { $0 ? 1 : 0 })
        #expect(eroded.elements == slowlyEroded.map { $0 ? 1 : 0 })
      }
    }
  }

  @Test func boxesContactsAndBits() {
    for map in Self.maps {
      for labels in [LabelSet.all, [1], [2, 200], [255], []] {
        let members = map.shape.everyVoxel.filter { labels.contains(map.elements[map.shape.index($0)]) }
        let bits = BitMask(map, labels: labels)
        #expect(bits.count == members.count)
        var inside = map
        bits.clearOutside(of: &inside)
        #expect(inside.elements == map.elements.map { labels.contains($0) ? $0 : 0 })
        #expect(bits.volume.elements == map.elements.map { labels.contains($0) ? 1 : 0 })
        guard let box = map.boundingBox(of: labels) else {
          #expect(members.isEmpty)
          continue
        }
        for axis in 0..<3 {
          #expect(box.lower[axis] == members.map { $0[axis] }.min())
          #expect(box.upper[axis] - 1 == members.map { $0[axis] }.max())
        }
      }
      let touches = map.shape.everyVoxel.contains { voxel in
        let label = map.elements[map.shape.index(voxel)]
        return map.shape.faceNeighbours(voxel).contains { neighbour in
          let other = neighbour.map { map.elements[map.shape.index($0)] } ?? 0
          return label != 0 && other != 0 && label != other
        }
      }
      #expect(map.hasTouchingLabels == touches)
    }
  }

  @Test func whatIsOutsideOfAGrownMaskIsCleared() {
    let map = Volume<UInt8>(shape: Shape3D(1, 1, 8), elements: [9, 8, 7, 6, 5, 4, 3, 2])
    let mask = Volume<UInt8>(shape: map.shape, elements: [0, 0, 0, 3, 0, 0, 0, 0])
    for (iterations, expected) in [(0, [0, 0, 0, 6, 0, 0, 0, 0]), (2, [0, 8, 7, 6, 5, 4, 0, 0])] as [(Int, [UInt8])] {
      var cleared = map
      cleared.clear(outside: mask, dilatedBy: iterations)
      #expect(cleared.elements == expected)
    }
  }
}

/// Components of equal labels by flooding from one voxel to the next.
private struct Flood {
  /// -1 for background.
  var numbers: [Int]
  var sizes: [Int] = []

  init(_ map: Volume<UInt8>, _ connectivity: Connectivity) {
    let shape = map.shape
    let axes = [Connectivity.faces: 1, .edges: 2, .corners: 3][connectivity] ?? 3
    numbers = map.elements.map { _ in -1 }
    for seed in shape.everyVoxel where map.elements[shape.index(seed)] != 0 && numbers[shape.index(seed)] < 0 {
      var waiting = [seed]
      numbers[shape.index(seed)] = sizes.count
      sizes.append(0)
      while let voxel = waiting.popLast() {
        sizes[sizes.count - 1] += 1
        for dz in -1...1 {
          for dy in -1...1 {
            for dx in -1...1 where abs(dz) + abs(dy) + abs(dx) <= axes {
              let other = Shape3D(voxel.z + dz, voxel.y + dy, voxel.x + dx)
              guard shape.contains(other), numbers[shape.index(other)] < 0,
                map.elements[shape.index(other)] == map.elements[shape.index(seed)]
              else { continue }
              numbers[shape.index(other)] = sizes.count - 1
              waiting.append(other)
            }
          }
        }
      }
    }
  }
}

extension [MeasuredComponents.Component] {
  fileprivate func isSorted(in order: ScanOrder) -> Bool {
    zip(self, dropFirst()).allSatisfy { a, b in
      let (a, b) = (a.firstVoxel, b.firstVoxel)
      return order == .xFastest ? (a.z, a.y, a.x) < (b.z, b.y, b.x) : (a.x, a.y, a.z) < (b.x, b.y, b.z)
    }
  }
}

extension Shape3D {
  fileprivate var everyVoxel: [Shape3D] {
    (0..<count).map { Shape3D($0 / (y * x), $0 / x % y, $0 % x) }
  }

  fileprivate func index(_ voxel: Shape3D) -> Int { (voxel.z * y + voxel.y) * x + voxel.x }

  fileprivate func contains(_ voxel: Shape3D) -> Bool {
    (0..<3).allSatisfy { voxel[$0] >= 0 && voxel[$0] < self[$0] }
  }

  /// Six of them; nil for those outside of the volume.
  fileprivate func faceNeighbours(_ voxel: Shape3D) -> [Shape3D?] {
    (0..<6).map { side in
      var neighbour = voxel
      neighbour[side / 2] += side % 2 == 0 ? -1 : 1
      return contains(neighbour) ? neighbour : nil
    }
  }
}
