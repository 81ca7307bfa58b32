import Basics
import CKernels

/// The connected components of a mask or of a label map, measured but not written out as a volume.
public struct MeasuredComponents: Sendable {
  public struct Component: Sendable, Equatable {
    /// The number of voxels.
    public internal(set) var size: Int
    /// The mean position of the voxels as indices (Z, Y, X), as `scipy.ndimage.center_of_mass` gives it.
    public internal(set) var centroid: Vector3D
    /// The first voxel in the order asked for.
    public internal(set) var firstVoxel: Shape3D
  }

  /// In the order of their first voxels.
  public let components: [Component]
  /// The place in `components` of each component of `runs`.
  private let placeOf: [Int]
  private let runs: ForegroundRuns

  /// Joins all voxels of `labels` in the first channel of `map`, or those of each label by itself when `byLabel` is true.
  public init(
    of map: Volume<UInt8>, byLabel: Bool = false, connectivity: Connectivity = .faces, order: ScanOrder
  ) {
    let shape = map.shape
    let found = map.elements.withUnsafeBufferPointer { voxels in
      voxels.baseAddress.map {
        ForegroundRuns($0, shape: shape, of: byLabel ? .labels(.all) : .nonzero, connectivity: connectivity)
      }
    }
    guard let found else { preconditionFailure("an array always has an address") }
    runs = found
    var first = [Shape3D?](repeating: nil, count: found.componentCount)
    var sizes = [Int](repeating: 0, count: found.componentCount)
    var sums = [SIMD4<Int>](repeating: .zero, count: found.componentCount)
    for (run, component) in zip(found.runs, found.components) {
      let (z, y) = Int(run.row).quotientAndRemainder(dividingBy: shape.y)
      let (start, end, index) = (Int(run.start), Int(run.end), Int(component))
      let size = end - start
      sizes[index] += size
      // The positions along X are start + ... + (end - 1).
      sums[index] &+= SIMD4(z * size, y * size, (start + end - 1) * size / 2, 0)
      let voxel = Shape3D(z, y, start)
      if first[index].map({ order.isBefore(voxel, $0) }) ?? true { first[index] = voxel }
    }
    let unordered = (0..<found.componentCount).map { index in
      let size = Double(sizes[index])
      return Component(
        size: sizes[index],
        centroid: Vector3D(
          Double(sums[index][0]) / size, Double(sums[index][1]) / size, Double(sums[index][2]) / size),
        firstVoxel: first[index] ?? Shape3D(0, 0, 0))
    }
    let sorted = unordered.indices.sorted { order.isBefore(unordered[$0].firstVoxel, unordered[$1].firstVoxel) }
    components = sorted.map { unordered[$0] }
    var places = [Int](repeating: 0, count: sorted.count)
    for (place, index) in sorted.enumerated() { places[index] = place }
    placeOf = places
  }

  /// For each component, the labels that `map`, a volume of the same shape, has at its voxels.
  public func labels(in map: Volume<UInt8>) -> [LabelSet] {
    precondition(map.shape == runs.shape, "the label map must have the shape of the components")
    var sets = [LabelSet](repeating: [], count: components.count)
    map.elements.withUnsafeBufferPointer { voxels in
      for (run, component) in zip(runs.runs, runs.components) {
        let row = Int(run.row) * runs.shape.x
        var last: UInt8 = 0
        for x in Int(run.start)..<Int(run.end) where voxels[row + x] != last {
          last = voxels[row + x]
          sets[placeOf[Int(component)]].insert(last)
        }
      }
    }
    return sets
  }

  /// A label map with `labels[i]` at the voxels of component `i` and 0 elsewhere.
  public func painted(_ labels: [UInt8]) -> Volume<UInt8> {
    precondition(labels.count == components.count, "there must be a label for every component")
    var result = Volume<UInt8>(shape: runs.shape, repeating: 0)
    result.elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      runs.paint(placeOf.map { labels[$0] }, over: base)
    }
    return result
  }
}
