/// What a filter does along one axis, as a matrix: each voxel of the result is a weighted sum of the source's.
struct AxisMatrix: Equatable {
  let size: Int
  /// Row by row, one row for each voxel of the result.
  private(set) var weights: [Float]

  var isIdentity: Bool {
    weights.indices.allSatisfy { weights[$0] == ($0 / size == $0 % size ? 1 : 0) }
  }

  /// A filter with an odd number of taps, the axis being continued by reflection about its outermost voxels; without
  /// taps nothing changes.
  init(kernel: [Float], size: Int) {
    self.size = size
    weights = [Float](repeating: 0, count: size * size)
    let reach = kernel.count / 2
    for row in 0..<size {
      if kernel.isEmpty { weights[row * size + row] = 1 }
      for (tap, weight) in kernel.enumerated() {
        weights[row * size + IntensityTransforms.reflected(row + tap - reach, size)] += weight
      }
    }
  }

  /// Picking voxels of a coarser grid and interpolating linearly between them.
  init(size: Int, lowSize: Int) {
    self.size = size
    weights = [Float](repeating: 0, count: size * size)
    let picked = DeepSupervision.nearest(input: size, output: lowSize)
    let taps = LinearTaps(input: lowSize, output: size)
    for row in 0..<size {
      weights[row * size + picked[Int(taps.first[row])]] += 1 - taps.share[row]
      weights[row * size + picked[Int(taps.second[row])]] += taps.share[row]
    }
  }

  var transposed: AxisMatrix {
    var result = self
    for row in 0..<size {
      for column in 0..<size { result.weights[column * size + row] = weights[row * size + column] }
    }
    return result
  }
}
