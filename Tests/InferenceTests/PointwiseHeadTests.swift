import Engines
import Imaging
import Inference
import Networks
import Testing

/// Logits made of features while they are added up, against logits that a network gives.
@Suite struct PointwiseHeadTests {
  /// Rows shorter and longer than a kernel's block, and not a multiple of it; more classes than a kernel takes at once.
  @Test(arguments: [
    (Shape3D(9, 10, 70), [8, 8, 45], [Int]()), (Shape3D(9, 10, 12), [8, 8, 8], [0, 2]),
    (Shape3D(4, 40, 40), [16, 33], [1]),
  ])
  func givesTheNetworksLogits(shape: Shape3D, patch: [Int], mirrorAxes: [Int]) throws {
    let (features, classes) = (3, 13)
    let head = PointwiseHead(
      inputs: features, outputs: classes, weights: (0..<features * classes).map { Float($0 % 7) / 4 - 0.6 },
      bias: (0..<classes).map { Float($0) / 5 - 1 })
    @Sendable func feature(_ channel: Int, _ value: Float, _ index: Int) -> Float {
      value * Float(channel + 1) + Float(index % 5) / 8
    }
    let trunk = FormulaNetwork(patch: patch, outputs: features, formula: feature)
    let whole = FormulaNetwork(patch: patch, outputs: classes) { k, value, index in
      (0..<features).reduce(head.bias[k]) { $0 + head.weights[k * features + $1] * feature($1, value, index) }
    }
    let image = Volume<Float>(shape: shape) { voxels in
      for index in voxels.indices { voxels[index] = Float(index * 37 % 101) / 101 - 0.5 }
    }
    let window = SlidingWindow(
      grid: TileGrid(image: shape, patch: patch, step: 0.5), importance: ImportanceMap(gaussian: patch),
      mirrorAxes: mirrorAxes)
    let apart = Recorder(channels: classes, shape: shape)
    try window.run(image, networks: [trunk, trunk], heads: [head, head], into: apart) { _, _ in }
    let together = Recorder(channels: classes, shape: shape)
    try window.run(image, networks: [whole, whole], into: together) { _, _ in }
    // Sums are in half precision and are rounded alike, but for values that lie between two of its numbers.
    let worst = zip(apart.logits, together.logits).map { abs(Float($0) - Float($1)) / max(1, abs(Float($1))) }.max()
    #expect(try #require(worst) < 0.004)
    let equal = zip(apart.logits, together.logits).filter { $0 == $1 }.count
    #expect(Double(equal) > 0.98 * Double(apart.logits.count))
  }

  /// The order of the features in memory changes nothing: fewer than a register holds, as many, several registers full,
  /// and numbers between.
  @Test(arguments: [3, 16, 20, 32, 47, 128], [[8, 8, 45], [8, 8, 8]]) func takesChannelsLast(
    features: Int, patch: [Int]
  ) throws {
    let classes = 7
    let head = PointwiseHead(
      inputs: features, outputs: classes, weights: (0..<features * classes).map { Float($0 % 11) / 16 - 0.3 },
      bias: (0..<classes).map { Float($0) / 5 - 1 })
    let shape = Shape3D(9, 10, patch[2] + 25)
    let image = Volume<Float>(shape: shape) { voxels in
      for index in voxels.indices { voxels[index] = Float(index * 37 % 101) / 101 - 0.5 }
    }
    let window = SlidingWindow(
      grid: TileGrid(image: shape, patch: patch, step: 0.5), importance: ImportanceMap(gaussian: patch),
      mirrorAxes: [])
    let logits = try [false, true].map { isChannelsLast in
      let trunk = FormulaNetwork(patch: patch, outputs: features, batch: 2, isChannelsLast: isChannelsLast) {
        $1 * Float($0 % 5 + 1) + Float($2 % 7) / 8
      }
      let recorder = Recorder(channels: classes, shape: shape)
      try window.run(image, networks: [trunk], heads: [head], into: recorder) { _, _ in }
      return recorder.logits
    }
    #expect(logits[0] == logits[1] && Set(logits[0]).count > 100)
    #expect(
      head.takesChannelsLast
        && !PointwiseHead(inputs: 129, outputs: 1, weights: .init(repeating: 0, count: 129), bias: [0])
          .takesChannelsLast
    )
  }
}
