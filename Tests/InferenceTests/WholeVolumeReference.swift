import Imaging

@testable import Inference

/// The slow and obvious way: all tiles, all logits of the whole volume, all of them resampled, then labels.
struct WholeVolumeReference {
  /// Half-precision logits (K, Z, Y, X).
  static func logits(
    _ image: Volume<Float>, patch: [Int], step: Double, mirrorAxes: [Int], networks: [FormulaNetwork]
  ) -> Volume<Float16> {
    let window = makeWindow(image.shape, patch: patch, step: step, mirrorAxes: mirrorAxes)
    let channels = networks[0].outputShape[1]
    let grid = window.grid
    let size = grid.patchShape
    var mean: [Float16] = []
    for (fold, network) in networks.enumerated() {
      var sums = Volume<Float16>(channels: channels, shape: image.shape, repeating: 0)
      var weights = Volume<Float16>(shape: image.shape, repeating: 0)
      for z0 in grid.starts[0] {
        for y0 in grid.starts[1] {
          for x0 in grid.starts[2] {
            let prediction = mirrored(image, at: Shape3D(z0, y0, x0), size, mirrorAxes, patch.count, network)
            for index in 0..<size.count {
              let (z, y, x) = (
                z0 + index / (size.y * size.x), y0 + index / size.x % size.y, x0 + index % size.x
              )
              guard (0..<image.shape.z).contains(z), (0..<image.shape.y).contains(y), (0..<image.shape.x).contains(x)
              else { continue }
              let weight = Float16(bitPattern: window.importance.bits[index])
              for channel in 0..<channels {
                let product = prediction[channel * size.count + index] * Float(weight)
                sums[channel, z, y, x] = Float16(Float(sums[channel, z, y, x]) + product)
              }
              weights[z, y, x] = Float16(Float(weights[z, y, x]) + Float(weight))
            }
          }
        }
      }
      let logits = sums.elements.indices.map {
        Float16(Float(sums.elements[$0]) / Float(weights.elements[$0 % image.shape.count]))
      }
      mean = fold == 0 ? logits : zip(mean, logits).map { Float16(Float($0) + Float($1)) }
    }
    if networks.count > 1 { mean = mean.map { Float16(Float($0) / Float(networks.count)) } }
    return Volume(channels: channels, shape: image.shape, elements: mean)
  }

  /// The mean over all reversals of one tile.
  private static func mirrored(
    _ image: Volume<Float>, at start: Shape3D, _ size: Shape3D, _ axes: [Int], _ rank: Int, _ network: FormulaNetwork
  ) -> [Float] {
    let channels = network.outputShape[1]
    var sum = [Float](repeating: 0, count: channels * size.count)
    // The reference's order: none, single axes, pairs, all three.
    let subsets = [[], [0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]].filter { Set($0).isSubset(of: axes) }
    for subset in subsets {
      let flipped = subset.map { rank == 2 ? $0 + 1 : $0 }
      func source(_ index: Int) -> Int {
        var place = Shape3D(index / (size.y * size.x), index / size.x % size.y, index % size.x)
        for axis in flipped { place[axis] = size[axis] - 1 - place[axis] }
        return (place.z * size.y + place.y) * size.x + place.x
      }
      for index in 0..<size.count {
        let at = source(index)
        let (z, y, x) = (
          start.z + at / (size.y * size.x), start.y + at / size.x % size.y, start.x + at % size.x
        )
        let inside =
          (0..<image.shape.z).contains(z) && (0..<image.shape.y).contains(y) && (0..<image.shape.x).contains(x)
        let value = inside ? image[z, y, x] : 0
        for channel in 0..<channels { sum[channel * size.count + at] += network.formula(channel, value, index) }
      }
    }
    return sum.map { $0 / Float(subsets.count) }
  }

  /// The labels of the resampled logits.
  static func labels(_ logits: Volume<Float16>, sampling: GridSampling, rule: LabelReduction) -> [UInt16] {
    let shape = Shape3D(sampling.z.count, sampling.y.count, sampling.x.count)
    var labels: [UInt16] = []
    for z in 0..<shape.z {
      for y in 0..<shape.y {
        for x in 0..<shape.x {
          let values = (0..<logits.channels).map { channel -> Float in
            var value = 0.0
            for (cz, wz) in corners(sampling.z, z) {
              for (cy, wy) in corners(sampling.y, y) {
                for (cx, wx) in corners(sampling.x, x) { value += Double(logits[channel, cz, cy, cx]) * wz * wy * wx }
              }
            }
            return sampling.roundsToHalf ? Float(Float16(value)) : Float(value)
          }
          labels.append(label(values, rule))
        }
      }
    }
    return labels
  }

  private static func corners(_ axis: AxisSampling, _ index: Int) -> [(Int, Double)] {
    let share = Double(axis.share[index])
    return [(Int(axis.first[index]), 1 - share), (Int(axis.second[index]), share)]
  }

  private static func label(_ values: [Float], _ rule: LabelReduction) -> UInt16 {
    switch rule {
    case .largest: return UInt16(values.firstIndex(of: values.max() ?? 0) ?? 0)
    case .regions(let marks):
      return zip(values, marks).reduce(0) { $1.0 > 0x1p-24 ? $1.1 : $0 }
    }
  }
}

/// The window over an image of `shape`.
func makeWindow(_ shape: Shape3D, patch: [Int], step: Double, mirrorAxes: [Int]) -> SlidingWindow {
  SlidingWindow(
    grid: TileGrid(image: shape, patch: patch, step: step), importance: ImportanceMap(gaussian: patch),
    mirrorAxes: mirrorAxes)
}
