import Basics

/// The connected components of a binary volume.
public struct ConnectedComponents: Sendable {
  /// 0 for background, 1... for the components in the order of their first voxel (Z, Y, X), as scipy numbers them.
  public let labels: Volume<Int32>
  /// The number of voxels of each component; component `i` is at `i - 1`.
  public let sizes: [Int]

  public var count: Int { sizes.count }

  /// Labels the voxels of the first channel of `mask` that are not 0.
  public init(of mask: Volume<UInt8>, connectivity: Connectivity = .corners) {
    let shape = mask.shape
    let found = mask.elements.withUnsafeBufferPointer { voxels in
      voxels.baseAddress.map { ForegroundRuns($0, shape: shape, connectivity: connectivity) }
    }
    guard let found else {
      labels = Volume(shape: shape, repeating: 0)
      sizes = []
      return
    }
    sizes = found.sizes()
    labels = Volume(shape: shape) { result in
      guard let base = result.baseAddress else { return }
      let target = Shared(base)
      Parallel.ranges(shape.count, minimum: 1 << 16) { range in
        (target.value + range.lowerBound).initialize(repeating: 0, count: range.count)
      }
      found.paint((0..<found.componentCount).map { Int32(truncatingIfNeeded: $0 + 1) }, over: base)
    }
  }
}
