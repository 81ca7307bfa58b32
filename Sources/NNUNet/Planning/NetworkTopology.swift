/// How often a U-Net halves a patch along each axis, and its kernels, following nnU-Net's rules: axes of coarse spacing
/// join in once the others have caught up, and no feature map gets smaller than four voxels along an axis.
struct NetworkTopology: Equatable {
  /// One per stage; the first is all ones.
  let strides: [[Int]]
  /// One per stage.
  let kernels: [[Int]]
  /// The patch, rounded up so that it can be halved that often.
  let patch: [Int]
  /// What the patch is a multiple of.
  let divisors: [Int]

  private static let smallestEdge = 4.0
  /// Axes whose spacing is at least this multiple of the finest one wait.
  private static let anisotropy = 2.0

  /// - Parameters:
  ///   - spacing: in mm, one number per axis.
  ///   - size: the wanted patch in voxels; need not be whole.
  init(spacing: [Double], size: [Double]) {
    let rank = size.count
    var spacing = spacing
    var rest = size
    var divisors = [Int](repeating: 1, count: rank)
    var kernel = [Int](repeating: 1, count: rank)
    var strides = [kernel]
    var kernels: [[Int]] = []
    while true {
      let large = (0..<rank).filter { rest[$0] >= 2 * Self.smallestEdge }
      guard let finest = large.map({ spacing[$0] }).min() else { break }
      let halved = large.filter { spacing[$0] / finest < Self.anisotropy }
      if halved.isEmpty || halved.count == 1 && rest[halved[0]] < 3 * Self.smallestEdge { break }
      let smallest = spacing.min() ?? finest
      // A kernel that has become 3 stays 3.
      for axis in 0..<rank where spacing[axis] / smallest < Self.anisotropy { kernel[axis] = 3 }
      var stride = [Int](repeating: 1, count: rank)
      for axis in halved {
        stride[axis] = 2
        divisors[axis] *= 2
        spacing[axis] *= 2
        rest[axis] = (rest[axis] / 2).rounded(.up)
      }
      strides.append(stride)
      kernels.append(kernel)
    }
    kernels.append([Int](repeating: 3, count: rank))
    self.strides = strides
    self.kernels = kernels
    self.divisors = divisors
    patch = (0..<rank).map { Int((size[$0] / Double(divisors[$0])).rounded(.up)) * divisors[$0] }
  }

  /// A topology that is known.
  init(strides: [[Int]], kernels: [[Int]], patch: [Int], divisors: [Int]) {
    self.strides = strides
    self.kernels = kernels
    self.patch = patch
    self.divisors = divisors
  }

  var stageCount: Int { strides.count }

  /// 32 features in the first stage, twice as many in each further one, up to a limit.
  var features: [Int] {
    let limit = patch.count == 2 ? 512 : 320
    return (0..<stageCount).map { min(limit, 32 << min($0, 8)) }
  }
}
