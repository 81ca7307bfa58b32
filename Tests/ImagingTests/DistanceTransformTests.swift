import Imaging
import TestSupport
import Testing

@Suite struct DistanceTransformTests {
  /// Against the nearest of all voxels of the mask. Both sum squares of at most three numbers, in another order.
  @Test(arguments: [0.002, 0.05, 0.6])
  func equalsTheNearestOfAllVoxels(density: Double) {
    var generator = SeededGenerator(seed: UInt64(density * 1000))
    let shape = Shape3D(7, 12, 17)
    let spacing = Vector3D(2.5, 0.7, 1.1)
    let mask = Volume<UInt8>(
      shape: shape,
      elements: (0..<shape.count).map { _ in Double.random(in: 0..<1, using: &generator) < density ? 1 : 0 })
    let distances = DistanceTransform.squaredDistances(to: mask, spacing: spacing)
    var largest = 0.0
    for z in 0..<shape.z {
      for y in 0..<shape.y {
        for x in 0..<shape.x {
          var nearest = Double.infinity
          for index in mask.elements.indices where mask.elements[index] != 0 {
            let (row, column) = index.quotientAndRemainder(dividingBy: shape.x)
            let (slice, line) = row.quotientAndRemainder(dividingBy: shape.y)
            let (a, b, c) = (
              Double(slice - z) * spacing.z, Double(line - y) * spacing.y, Double(column - x) * spacing.x
            )
            nearest = min(nearest, a * a + b * b + c * c)
          }
          let found = distances[z, y, x]
          if nearest.isInfinite { #expect(found.isInfinite) } else { largest = max(largest, abs(found - nearest)) }
        }
      }
    }
    #expect(largest < 1e-12)
  }

  @Test func nothingIsInfinitelyFarAway() {
    let distances = DistanceTransform.squaredDistances(
      to: Volume<UInt8>(shape: Shape3D(2, 3, 4), repeating: 0), spacing: Vector3D(1, 1, 1))
    #expect(distances.elements.allSatisfy { $0 == .infinity })
  }
}

@Suite struct SmallerComponentsTests {
  private func randomLabels(seed: UInt64) -> Volume<UInt8> {
    var generator = SeededGenerator(seed: seed)
    let shape = Shape3D(6, 14, 15)
    return Volume(
      shape: shape, elements: (0..<shape.count).map { _ in [0, 0, 0, 0, 0, 1, 2, 3][Int(generator.next() % 8)] })
  }

  /// The ranges are the voxels that keeping the largest components sets to background.
  @Test(arguments: [Set([1]), [2], [1, 2], [1, 2, 3]], [UInt64(1), 2, 3])
  func areWhatKeepingTheLargestRemoves(labels: Set<Int>, seed: UInt64) {
    let volume = randomLabels(seed: seed)
    for map in [
      LabelMap.uint8(volume), .uint16(Volume(shape: volume.shape, elements: volume.elements.map(UInt16.init))),
    ] {
      var kept = map
      kept.keepLargestComponents(of: labels)
      var removed = Set<Int>()
      for range in map.smallerComponents(of: labels) { removed.formUnion(range) }
      let expected: [Bool] =
        switch (map, kept) {
        case (.uint8(let a), .uint8(let b)): zip(a.elements, b.elements).map(!=)
        case (.uint16(let a), .uint16(let b)): zip(a.elements, b.elements).map(!=)
        default: []
        }
      #expect(removed == Set(expected.indices.filter { expected[$0] }))
      for label in labels {
        #expect(map.smallerComponents(ofEach: labels)[label] ?? [] == map.smallerComponents(of: [label]))
      }
    }
  }
}
