import Basics
import Imaging
import Testing

@Suite struct TargetShapeTests {
  @Test func vectors() throws {
    #expect(
      try Shape3D(3, 3, 3).resampled(from: Vector3D(0.5, 0.5, 0.5), to: Vector3D(1, 1, 1)) == Shape3D(2, 2, 2))
    #expect(
      try Shape3D(133, 512, 512).resampled(from: Vector3D(2.5, 0.7421875, 0.7421875), to: Vector3D(3, 1.5, 1.5))
        == Shape3D(111, 253, 253))
    #expect(
      try Shape3D(35, 62, 53).resampled(from: Vector3D(2.2, 1.05, 1), to: Vector3D(1.7000000476837158, 1, 1))
        == Shape3D(45, 65, 53))
    // 2.5, 10.5 and 4.5 round to the even neighbour: the first, second and third axis of (5, 7, 9).
    #expect(
      try Shape3D(5, 7, 9).resampled(from: Vector3D(0.5, 1.5, 1), to: Vector3D(1, 1, 2)) == Shape3D(2, 10, 4))
    // The fourth axis of that vector.
    #expect(
      try Shape3D(5, 7, 10).resampled(from: Vector3D(0.5, 1.5, 0.25), to: Vector3D(1, 1, 1)) == Shape3D(2, 10, 2))
  }

  @Test(arguments: [0, .nan, .infinity, 1e-9, -1] as [Double])
  func absurdSpacingsAreRefused(spacing: Double) {
    #expect(throws: Failure.self) {
      try Shape3D(10, 10, 10).resampled(from: Vector3D(spacing, 1, 1), to: Vector3D(1, 1, 1))
    }
  }
}

@Suite struct NormalizationTests {
  private func normalized(_ values: [Float], _ scheme: Normalization, mask: [UInt8]? = nil) throws -> [Float] {
    let shape = Shape3D(1, 1, values.count)
    var volume = Volume(channels: 2, shape: shape, elements: [Float](repeating: 7, count: values.count) + values)
    try scheme.apply(to: &volume, channel: 1, mask: mask.map { Volume(shape: shape, elements: $0) })
    #expect(volume.elements[..<values.count].allSatisfy { $0 == 7 }, "the other channel must stay")
    return Array(volume.elements[values.count...])
  }

  private func isClose(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= 4e-7 * max(1, abs($1)) }
  }

  @Test func ct() throws {
    let known = IntensityProperties(
      mean: 99.40078, standardDeviation: 39.36, lowPercentile: -17, highPercentile: 201)
    let result = try normalized([-2000, -100, 0, 50, 3000], .ct(known))
    #expect(isClose(result, [-2.9573369, -2.9573369, -2.5254264, -1.2551011, 2.5812809]), "\(result)")
  }

  @Test func zScore() throws {
    let result = try normalized([0, 1, 2, 3, 10], .zScore(masked: false))
    #expect(isClose(result, [-0.9029323, -0.6207659, -0.3385996, -0.0564333, 1.9187311]), "\(result)")
  }

  @Test func maskedZScore() throws {
    // Segmentation -1 0 0 1 0: the first voxel is outside.
    let result = try normalized([0, 1, 2, 3, 10], .zScore(masked: true), mask: [0, 1, 1, 1, 1])
    #expect(isClose(result, [0, -0.8485281, -0.5656855, -0.2828427, 1.6970563]), "\(result)")
    #expect(throws: Failure.self) { try normalized([0, 1], .zScore(masked: true)) }
  }

  @Test func rescale() throws {
    #expect(isClose(try normalized([0, 1, 2, 3, 10], .rescale01), [0, 0.1, 0.2, 0.3, 1]))
  }

  @Test func constantImages() throws {
    #expect(try normalized([5, 5, 5], .rescale01) == [0, 0, 0])
    #expect(try normalized([5, 5, 5], .zScore(masked: false)) == [0, 0, 0])
  }

  @Test func rgb() throws {
    #expect(try normalized([0, 51, 255], .rgb01) == [0, 0.2, 1])
    #expect(throws: Failure.self) { try normalized([0, 256], .rgb01) }
    #expect(throws: Failure.self) { try normalized([-1, 2], .rgb01) }
    #expect(try normalized([0, 51, 255], .none) == [0, 51, 255])
  }

  /// Over several blocks, against a plain double-precision loop; one unit in the last place of the statistics moves
  /// results by about 1e-7.
  @Test func manyVoxels() throws {
    let volume = Volume<Float>.drawn(seed: 3, shape: Shape3D(3, 150, 333))
    let mean = volume.elements.reduce(0.0) { $0 + Double($1) } / Double(volume.elements.count)
    let squares = volume.elements.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    let deviation = (squares / Double(volume.elements.count)).squareRoot()
    let result = try normalized(volume.elements, .zScore(masked: false))
    for (value, original) in zip(result, volume.elements) {
      #expect(abs(Double(value) - (Double(original) - mean) / deviation) < 5e-7)
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func oddVoxelsAndConstantsDoNotCrash(odd: Float) throws {
    let known = IntensityProperties(mean: odd, standardDeviation: odd, lowPercentile: odd, highPercentile: -odd)
    let schemes: [Normalization] = [.ct(known), .zScore(masked: false), .rescale01, .none]
    for scheme in schemes { #expect(try normalized([1, odd, 3], scheme).count == 3) }
    #expect(try normalized([odd, odd], .zScore(masked: true), mask: [0, 0]).count == 2)
  }
}

@Suite struct NonzeroCropTests {
  @Test func boxCoversAllChannelsAndNotANumber() {
    var volume = Volume<Float>(channels: 2, shape: Shape3D(6, 7, 80), repeating: 0)
    volume[0, 2, 3, 70] = 1
    volume[1, 4, 1, 5] = .nan
    let box = NonzeroCrop.boundingBox(of: volume)
    #expect(box == Box3D(lower: Shape3D(2, 1, 5), upper: Shape3D(5, 4, 71)))
  }

  @Test func emptyImageKeepsItsBox() {
    let shape = Shape3D(3, 4, 5)
    #expect(NonzeroCrop.boundingBox(of: Volume(shape: shape, repeating: 0)) == Box3D(shape))
  }

  @Test func boxEqualsThatOfAPlainSearch() {
    for seed in 0..<30 as Range<UInt64> {
      let shape = Shape3D(1 + Int(seed % 5), 9, 130)
      let mask = Volume<UInt8>.drawnMask(seed: seed, shape: shape, percent: 1)
      let volume = Volume(shape: shape, elements: mask.elements.map(Float.init))
      var lower = shape
      var upper = Shape3D(0, 0, 0)
      for z in 0..<shape.z {
        for y in 0..<shape.y {
          for x in 0..<shape.x where mask[z, y, x] != 0 {
            lower = Shape3D(min(lower.z, z), min(lower.y, y), min(lower.x, x))
            upper = Shape3D(max(upper.z, z + 1), max(upper.y, y + 1), max(upper.x, x + 1))
          }
        }
      }
      let expected = upper.z == 0 ? Box3D(shape) : Box3D(lower: lower, upper: upper)
      #expect(NonzeroCrop.boundingBox(of: volume) == expected)
    }
  }

  @Test func holesAreFilledUnlessTheyReachAFace() {
    var volume = Volume<Float>(shape: Shape3D(5, 5, 5), repeating: 1)
    volume[2, 2, 2] = 0  // enclosed
    volume[0, 2, 2] = 0  // on a face
    let mask = NonzeroCrop.filledMask(of: volume)
    #expect(mask[2, 2, 2] == 1)
    #expect(mask[0, 2, 2] == 0)
    #expect(NonzeroCrop.segmentation(of: mask)[0, 2, 2] == -1)
    #expect(NonzeroCrop.segmentation(of: mask)[2, 2, 2] == 0)

    var slice = Volume<Float>(shape: Shape3D(1, 5, 5), repeating: 1)
    slice[0, 2, 2] = 0
    #expect(NonzeroCrop.filledMask(of: slice)[0, 2, 2] == 0, "in two dimensions nothing is filled")
  }
}
