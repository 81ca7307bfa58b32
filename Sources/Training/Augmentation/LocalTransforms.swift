import CKernels
import Imaging

/// A Gaussian somewhere in or beside a volume, brought to 0...1: where and how much a change is made.
struct Bump: Sendable {
  private let shape: Shape3D
  /// What each voxel along an axis has of the Gaussian's mass.
  private let profiles: [[Float]]
  private let low: Float
  private let scale: Float

  /// - Parameters:
  ///   - centres: along (Z, Y, X), as shares of the volume's size; what is missing at the front is not an axis.
  ///   - widths: standard deviations in voxels, as many.
  init(_ shape: Shape3D, centres: [Double], widths: [Double]) {
    self.shape = shape
    var profiles = [[Double]](repeating: [1], count: 3)
    for (place, centre) in centres.enumerated() {
      let axis = place + 3 - centres.count
      let (middle, width) = (centre * Double(shape[axis]), widths[place])
      func below(_ edge: Double) -> Double { 0.5 * complementaryError(-(edge - middle) / (width * 2.0.squareRoot())) }
      profiles[axis] = (0..<shape[axis]).map { below(Double($0) + 0.5) - below(Double($0) - 0.5) }
    }
    // Each axis by its largest number, so that products neither vanish nor overflow.
    profiles = profiles.map { profile in
      let largest = profile.max() ?? 0
      return largest > 0 ? profile.map { $0 / largest } : profile
    }
    let low = profiles.reduce(1) { $0 * ($1.min() ?? 0) }
    self.profiles = profiles.map { $0.map(Float.init) }
    self.low = Float(low)
    scale = low < 1 ? Float(1 / (1 - low)) : 0
  }

  /// Calls `body` with each row's first voxel and the product of the other axes' profiles.
  private func forEachRow(_ body: (_ start: Int, _ factor: Float, _ profile: [Float]) -> Void) {
    let (z, y) = (profiles[0], profiles[1])
    for slice in 0..<shape.z {
      for row in 0..<shape.y {
        let factor = z[min(slice, z.count - 1)] * y[min(row, y.count - 1)]
        body((slice * shape.y + row) * shape.x, factor, profiles[2])
      }
    }
  }

  /// Adds the bump times `strength`.
  func brighten(_ values: UnsafeMutablePointer<Float>, strength: Float) {
    forEachRow { mt_add_bump_row(values + $0, $2, $1, low, scale * strength, shape.x) }
  }

  /// Raises the values, brought to 0...1, to a power, and blends the result in where the bump is.
  func applyGamma(_ values: UnsafeMutablePointer<Float>, gamma: Float) {
    let moments = IntensityTransforms.Moments(values, count: shape.count)
    let range = max(moments.high - moments.low, 1e-8)
    forEachRow { mt_local_gamma_row(values + $0, $2, $1, low, scale, moments.low, range, gamma, shape.x) }
  }
}

extension IntensityTransforms {
  /// The median of a box around each voxel; flat where the volume is.
  ///
  /// - Parameter size: 1...7 voxels along each axis.
  static func median(
    _ values: UnsafeMutablePointer<Float>, _ shape: Shape3D, size: Int, isPlanar: Bool,
    scratch: UnsafeMutablePointer<Float>
  ) {
    scratch.update(from: values, count: shape.count)
    mt_median(values, scratch, shape.axes.map(Int64.init), [isPlanar ? 1 : Int64(size), Int64(size), Int64(size)])
  }

  /// Adds a share of the Laplacian, continued with the outermost voxels.
  static func sharpen(
    _ values: UnsafeMutablePointer<Float>, _ shape: Shape3D, strength: Float, isPlanar: Bool,
    scratch: UnsafeMutablePointer<Float>
  ) {
    scratch.update(from: values, count: shape.count)
    for z in 0..<shape.z {
      for y in 0..<shape.y {
        func row(_ z: Int, _ y: Int) -> UnsafePointer<Float>? {
          let (z, y) = (min(max(z, 0), shape.z - 1), min(max(y, 0), shape.y - 1))
          return UnsafePointer(scratch + (z * shape.y + y) * shape.x)
        }
        var beside = [row(z, y - 1), row(z, y + 1)]
        if !isPlanar { beside += [row(z - 1, y), row(z + 1, y)] }
        mt_sharpen_row(
          values + (z * shape.y + y) * shape.x, row(z, y), beside, beside.count, strength, shape.x)
      }
    }
  }

  /// Sets a box to its mean.
  static func blank(_ values: UnsafeMutablePointer<Float>, _ shape: Shape3D, box: Box3D) {
    var sum = 0.0
    func forEachRow(_ body: (UnsafeMutablePointer<Float>) -> Void) {
      for z in box.lower.z..<box.upper.z {
        for y in box.lower.y..<box.upper.y { body(values + (z * shape.y + y) * shape.x + box.lower.x) }
      }
    }
    let width = box.shape.x
    forEachRow { row in for x in 0..<width { sum += Double(row[x]) } }
    let mean = Float(sum / Double(max(1, box.shape.count)))
    forEachRow { row in row.update(repeating: mean, count: width) }
  }
}
