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

  /// The Gaussian for a patch. An axis of extent 1 that stands for "no axis" (2D networks) has weight one.
  public init(gaussian shape: Shape3D, isPlanar: Bool) {
    self.shape = shape
    let z = isPlanar ? [1] : Self.kernel(shape.z)
    let y = Self.kernel(shape.y)
    let x = Self.kernel(shape.x)
    let peak = (z.max() ?? 1) * (y.max() ?? 1) * (x.max() ?? 1) / 10
    var values: [Float16] = []
    values.reserveCapacity(shape.count)
    for wz in z {
      for wy in y {
        for wx in x { values.append(Float16(wz * wy * wx / peak)) }
      }
    }
    let smallest = values.lazy.filter { $0 > 0 }.min() ?? 1
    bits = values.map { ($0 == 0 ? smallest : $0).bitPattern }
  }

  /// One everywhere.
  public init(uniform shape: Shape3D) {
    self.shape = shape
    bits = Array(repeating: Float16(1).bitPattern, count: shape.count)
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
