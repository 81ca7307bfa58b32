import Imaging
import Inference
import Testing

@Suite struct TileGridTests {
  /// Positions printed by nnU-Net 2.8.1 for (image, patch, step).
  @Test(arguments: [
    (110, 64, 0.5, [0, 23, 46]), (162, 30, 0.5, [0, 15, 29, 44, 59, 73, 88, 103, 117, 132]),
    (529, 224, 0.5, [0, 102, 203, 305]), (130, 128, 0.5, [0, 2]), (300, 128, 0.5, [0, 57, 115, 172]),
    (100, 32, 0.5, [0, 14, 27, 41, 54, 68]), (97, 32, 0.5, [0, 13, 26, 39, 52, 65]),
    (100, 32, 0.25, [0, 8, 15, 23, 30, 38, 45, 53, 60, 68]), (100, 32, 1, [0, 23, 45, 68]),
    (200, 96, 0.7, [0, 52, 104]), (64, 64, 0.5, [0]),
  ])
  func positionsMatchTheReference(image: Int, patch: Int, step: Double, expected: [Int]) {
    #expect(TileGrid.positions(extent: image, patch: patch, step: step) == expected)
  }

  @Test func smallImagesArePaddedOnBothSides() {
    let grid = TileGrid(image: Shape3D(5, 16, 17), patch: [8, 16, 16], step: 0.5)
    #expect(grid.starts == [[-1], [0], [0, 1]])
    #expect(grid.count == 2)
  }

  @Test func planarNetworksVisitEverySliceUnpadded() {
    let grid = TileGrid(image: Shape3D(3, 10, 20), patch: [16, 16], step: 0.5)
    #expect(grid.patchShape == Shape3D(1, 16, 16))
    #expect(grid.starts == [[0, 1, 2], [-3], [0, 4]])
  }
}

@Suite struct ImportanceMapTests {
  /// Values printed by nnU-Net 2.8.1; they are half-precision numbers, so the comparison is exact.
  @Test func gaussianMatchesTheReferenceInTwoDimensions() {
    let map = ImportanceMap(gaussian: [16, 16])
    let values = map.bits.map { Float16(bitPattern: $0) }
    let row8: [Float16] = [
      0.00335503, 0.02188110, 0.11108398, 0.43945313, 1.35351563, 3.24609375, 6.06640625, 8.828125, 10, 8.828125,
    ]
    #expect(Array(values[8 * 16..<8 * 16 + 10]) == row8)
    #expect(values[8 * 16 + 15] == 0.02188110)
    let row0: [Float16] = [
      1.1324883e-6, 7.3313713e-6, 3.7252903e-5, 1.4734268e-4, 4.5394897e-4, 1.0890961e-3, 2.0351410e-3, 2.9602051e-3,
      3.3550262e-3,
    ]
    #expect(Array(values[0..<9]) == row0)
  }

  @Test func valuesBelowHalfPrecisionTakeTheSmallest() {
    let map = ImportanceMap(gaussian: [16, 16, 16])
    let line = map.bits[0..<16].map { Float16(bitPattern: $0) }
    let expected: [Float16] = [
      5.9604645e-8, 5.9604645e-8, 5.9604645e-8, 5.9604645e-8, 1.7881393e-7, 3.5762787e-7, 6.5565109e-7, 1.0132790e-6,
      1.1324883e-6, 1.0132790e-6, 6.5565109e-7, 3.5762787e-7, 1.7881393e-7, 5.9604645e-8, 5.9604645e-8, 5.9604645e-8,
    ]
    #expect(line == expected)
  }

  @Test func largePatchesHoldSubnormalNumbers() {
    let map = ImportanceMap(gaussian: [128, 128, 128])
    // Counted in the reference's map: 8941 filled voxels and 366538 subnormal ones in all, within the few that the
    // outer product rounds differently.
    let subnormal = map.bits.count { $0 < 0x0400 }
    #expect(abs(subnormal - 366_538) < 200)
    #expect(!map.bits.contains(0))
  }
}
