import Basics
import Imaging
import Testing

/// Against scipy.ndimage.zoom (`corner_aligned` in Resources/make_golden.py).
@Suite struct CornerAlignedTests {
  @Test func agreesWithScipy() throws {
    let expected = try Golden.values("corners.f32", as: Float.self)
    var position = 0
    for golden in try Golden.cases("corners.json") {
      let truncates = golden.kind == "truncated"
      let image: Volume<Float>
      if truncates {
        let labels = Volume<Int16>.drawnLabels(seed: golden.seed, shape: golden.source, number: 3, first: -1000)
        image = Volume(shape: golden.source, elements: labels.elements.map(Float.init))
      } else {
        image = .drawn(seed: golden.seed, shape: golden.source)
      }
      let result = try CornerAlignedResampler(order: golden.order)
        .resample(image, to: golden.target, truncates: truncates)
      let slice = expected[position..<position + golden.target.count]
      position += golden.target.count
      // Orders 0 and 1 repeat scipy's operations one by one; higher orders group them differently.
      let tolerance: Float = golden.order < 2 ? 0 : 2e-4
      let worst = zip(result.elements, slice).map { abs($0 - $1) }.max() ?? 0
      #expect(worst <= tolerance, "order \(golden.order), \(golden.source) to \(golden.target): \(worst)")
    }
    #expect(position == expected.count)
  }

  @Test func labelsArePickedLikeOrderZero() throws {
    let shape = Shape3D(5, 7, 6)
    let image = Volume<Float>.drawn(seed: 3, shape: shape)
    let target = Shape3D(9, 4, 11)
    let picked = CornerAlignedResampler.pick(image, to: target)
    #expect(
      try CornerAlignedResampler(order: 0).resample(image, to: target, truncates: false).elements == picked.elements)
  }

  @Test func truncationIsThatOfAnIntegerConversion() {
    let image = Volume<Float>(shape: Shape3D(1, 1, 6), elements: [-1.9, -0.5, 0.99, 3e9, .nan, 7])
    #expect(image.truncated().elements == [-1, 0, 0, -2_147_483_648, -2_147_483_648, 7])
  }

  @Test func unknownOrdersAreRefused() {
    #expect(throws: Failure.self) { try CornerAlignedResampler(order: 6) }
  }
}
