import Imaging

/// The grid of an image as ITK describes it: index order (x, y, z), world axes LPS, millimetres.
struct ITKGeometry: Sendable, Equatable {
  var spacing: [Double]
  var origin: [Double]
  /// Row-major; column `j` is the world direction of index axis `j`.
  var direction: [Double]

  init(spacing: [Double], origin: [Double], direction: [Double]) {
    self.spacing = spacing
    self.origin = origin
    self.direction = direction
  }

  /// Unit spacing, no rotation.
  init(dimensions: Int) {
    self.init(
      spacing: Array(repeating: 1, count: dimensions), origin: Array(repeating: 0, count: dimensions),
      direction: Self.identity(dimensions))
  }

  var dimensions: Int { spacing.count }

  static func identity(_ dimensions: Int) -> [Double] {
    (0..<dimensions * dimensions).map { $0 / dimensions == $0 % dimensions ? 1 : 0 }
  }

  /// The same grid with more or fewer axes; new ones have unit spacing and no rotation.
  func resized(to count: Int) -> ITKGeometry {
    var result = ITKGeometry(dimensions: count)
    let shared = min(count, dimensions)
    for row in 0..<shared {
      result.spacing[row] = spacing[row]
      result.origin[row] = origin[row]
      for column in 0..<shared { result.direction[row * count + column] = direction[row * dimensions + column] }
    }
    return result
  }
}
