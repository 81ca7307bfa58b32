import Basics

/// A binary volume as runs of foreground voxels along X, joined into connected components.
///
/// Runs are in raster order, and each set of joined runs is represented by its first one, so numbering the
/// representatives in order numbers components by their first voxel, as `scipy.ndimage.label` does.
struct ForegroundRuns: Sendable {
  /// Voxels `start..<end` of row `row = z * shape.y + y`.
  struct Run: Sendable {
    var row: Int32
    var start: Int32
    var end: Int32
  }

  let shape: Shape3D
  private(set) var runs: [Run]
  /// The representative of each run's component.
  private(set) var roots: [Int32]

  /// Finds and joins the runs of the voxels of `mask` whose byte is not 0 (equal to 0, when `inverted`).
  ///
  /// Slabs of slices are worked on in parallel, then joined where they meet.
  init(_ mask: UnsafePointer<UInt8>, shape: Shape3D, connectivity: Connectivity, inverted: Bool = false) {
    self.shape = shape
    let slabs = max(1, min(Parallel.coreCount * 4, shape.z))
    let mask = Shared(mask)
    var parts = [RunSlab](repeating: RunSlab(), count: slabs)
    parts.withUnsafeMutableBufferPointer { parts in
      let parts = Shared(parts)
      Parallel.forEach(slabs) { index in
        let slices = shape.z * index / slabs..<shape.z * (index + 1) / slabs
        parts.value[index] = RunSlab(mask.value, shape: shape, slices: slices, connectivity, inverted: inverted)
      }
    }
    runs = parts.flatMap(\.runs)
    roots = []
    roots.reserveCapacity(runs.count)
    var firstRuns: [Int] = []
    for part in parts {
      let offset = Int32(truncatingIfNeeded: roots.count)
      for (row, first) in part.firstRuns.enumerated() where row < part.rowCount {
        firstRuns.append(first + Int(offset))
      }
      roots.append(contentsOf: part.parents.map { $0 + offset })
    }
    firstRuns.append(runs.count)
    let boundaries = (1..<slabs).map { shape.z * $0 / slabs }
    runs.withUnsafeBufferPointer { runs in
      firstRuns.withUnsafeBufferPointer { firstRuns in
        roots.withUnsafeMutableBufferPointer { roots in
          let forest = RunForest(runs: runs, firstRuns: firstRuns, firstRow: 0, parents: roots)
          for z in boundaries {
            for y in 0..<shape.y {
              forest.joinToEarlierSlice(row: z * shape.y + y, y: y, height: shape.y, connectivity)
            }
          }
          forest.flatten()
        }
      }
    }
  }

  /// The number of voxels of each component, at the index of its representative; 0 elsewhere.
  func sizes() -> [Int] {
    var sizes = [Int](repeating: 0, count: runs.count)
    for (run, root) in zip(runs, roots) { sizes[Int(root)] += Int(run.end - run.start) }
    return sizes
  }

  /// Calls `body` on all cores for pieces of the runs; a voxel belongs to one piece only.
  func forEachPiece(_ body: @Sendable (_ indices: Range<Int>) -> Void) {
    Parallel.ranges(runs.count, minimum: 1024, body)
  }
}
