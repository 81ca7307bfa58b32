import CKernels
import Imaging

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How much each voxel of a patch counts where tiles overlap: a Gaussian around the patch centre, in half precision.
///
/// Sigma is an eighth of the patch, the kernel is cut at four sigma, the peak is 10, and values that half precision
/// cannot hold take the smallest value it can (nnU-Net v2).
public struct ImportanceMap: Sendable {
  public let shape: Shape3D
  /// IEEE half bit patterns, (Z, Y, X).
  public let bits: [UInt16]

  /// The Gaussian for a patch of 3 (Z, Y, X) or, for a two-dimensional network, 2 (Y, X) extents.
  ///
  /// - Parameters:
  ///   - height: of the peak. Only the ratios of weights matter, but for the range of half precision.
  ///   - floor: no weight is smaller; nil for nnU-Net v2's rule.
  public init(gaussian patch: [Int], height: Double = 10, floor: Float16? = nil) {
    let isPlanar = patch.count == 2
    let shape = isPlanar ? Shape3D(1, patch[0], patch[1]) : Shape3D(patch[0], patch[1], patch[2])
    self.shape = shape
    let z = isPlanar ? [1] : Self.kernel(shape.z)
    let y = Self.kernel(shape.y)
    let x = Self.kernel(shape.x)
    let peak = (z.max() ?? 1) * (y.max() ?? 1) * (x.max() ?? 1) / height
    bits = [UInt16](unsafeUninitializedCapacity: shape.count) { buffer, initialized in
      var row = buffer.baseAddress
      for wz in z {
        for wy in y {
          if let target = row { mt_scale_to_half(target, x, wz * wy, peak, x.count) }
          row = row.map { $0 + x.count }
        }
      }
      initialized = shape.count
      // The bit patterns of positive half-precision numbers are in the order of the numbers.
      let smallest = buffer.prefix(shape.count).lazy.filter { $0 != 0 }.min() ?? Float16(1).bitPattern
      for index in 0..<shape.count where buffer[index] == 0 { buffer[index] = smallest }
      guard let floor = floor?.bitPattern else { return }
      for index in 0..<shape.count where buffer[index] < floor { buffer[index] = floor }
    }
  }

  /// Every voxel of a patch of 3 (Z, Y, X) or 2 (Y, X) extents counts the same.
  public init(uniform patch: [Int]) {
    shape = patch.count == 2 ? Shape3D(1, patch[0], patch[1]) : Shape3D(patch[0], patch[1], patch[2])
    bits = [UInt16](repeating: Float16(1).bitPattern, count: shape.count)
  }

  /// A Gaussian of unit sum centred on index `extent / 2`, zero beyond four sigma.
  private static func kernel(_ extent: Int) -> [Double] {
    let sigma = Double(extent) / 8
    let radius = Int(4 * sigma + 0.5)
    let weight = { (distance: Int) in exp(-0.5 / (sigma * sigma) * Double(distance * distance)) }
    let sum = (-radius...radius).reduce(0) { $0 + weight($1) }
    return (0..<extent).map { abs($0 - extent / 2) > radius ? 0 : weight($0 - extent / 2) / sum }
  }
}
