import Basics
import CKernels

/// A volume as runs of foreground voxels along X, joined into connected components.
///
/// The foreground is a mask, or each of some labels by itself: then only runs of equal labels are joined. Runs are in raster
/// order, and so are components by their first runs, as `scipy.ndimage.label` numbers them for an array (Z, Y, X).
struct ForegroundRuns: Sendable {
  /// What the foreground of a volume is.
  enum Foreground {
    /// Bytes that are not 0.
    case nonzero
    /// Bytes that are 0.
    case zero
    /// Every label of the set by itself.
    case labels(LabelSet)
  }

  /// Voxels `start..<end` of row `row = z * shape.y + y`; `label` is 1 for masks.
  typealias Run = mt_run

  let shape: Shape3D
  let runs: [Run]
  /// The component of each run: 0, 1, ...
  let components: [Int32]
  let componentCount: Int

  /// Finds and joins the runs of `voxels`. `acrossSlices` is false when every slice is looked at by itself.
  ///
  /// Slabs of slices are worked on in parallel, then joined where they meet.
  init(
    _ voxels: UnsafePointer<UInt8>, shape: Shape3D, of foreground: Foreground = .nonzero, connectivity: Connectivity,
    acrossSlices: Bool = true
  ) {
    self.shape = shape
    let slabs = max(1, min(Parallel.coreCount * 4, shape.z))
    let scanner = RunScanner(voxels: voxels, shape: shape, foreground: foreground)
    let joiner = RunJoiner(shape: shape, connectivity: connectivity, acrossSlices: acrossSlices)
    var parts = [RunSlab](repeating: RunSlab(), count: slabs)
    parts.withUnsafeMutableBufferPointer { parts in
      let parts = Shared(parts)
      let scanner = Shared(scanner)
      Parallel.forEach(slabs) { index in
        let slices = shape.z * index / slabs..<shape.z * (index + 1) / slabs
        parts.value[index] = RunSlab(scanner.value, joiner, slices: slices)
      }
    }
    var offsets = [0]
    for part in parts { offsets.append(offsets[offsets.count - 1] + part.runs.count) }
    let total = offsets[slabs]
    let slabOffsets = offsets
    let slabParts = parts
    let runs = [Run](unsafeUninitializedCapacity: total) { buffer, initialized in
      let target = Shared(buffer)
      Parallel.forEach(slabs) { index in
        _ = UnsafeMutableBufferPointer(rebasing: target.value[slabOffsets[index]..<slabOffsets[index + 1]])
          .initialize(from: slabParts[index].runs)
      }
      initialized = total
    }
    var count = 0
    components = [Int32](unsafeUninitializedCapacity: total) { buffer, initialized in
      let target = Shared(buffer)
      Parallel.forEach(slabs) { index in
        let offset = Int32(truncatingIfNeeded: slabOffsets[index])
        var next = slabOffsets[index]
        for parent in slabParts[index].parents {
          target.value[next] = parent + offset
          next += 1
        }
      }
      initialized = total
      guard let parents = buffer.baseAddress else { return }
      runs.withUnsafeBufferPointer { runs in
        guard let runs = runs.baseAddress else { return }
        for slab in 1..<max(1, slabs) {
          let z = shape.z * slab / slabs
          joiner.join(slice: z, to: z - 1, runs: runs, parents: parents) { row in
            let index = row < z * shape.y ? slab - 1 : slab
            return slabParts[index].firstRuns[row - slabParts[index].firstRow] + slabOffsets[index]
          }
        }
      }
      count = mt_number_trees(parents, total)
    }
    self.runs = runs
    componentCount = count
  }

  /// The number of voxels of each component.
  func sizes() -> [Int] {
    var sizes = [Int](repeating: 0, count: componentCount)
    sizes.withUnsafeMutableBufferPointer { sizes in
      for (run, component) in zip(runs, components) { sizes[Int(component)] &+= Int(run.end &- run.start) }
    }
    return sizes
  }

  /// Calls `body` on all cores for pieces of the runs; a voxel belongs to one piece only.
  func forEachPiece(_ body: @Sendable (_ indices: Range<Int>) -> Void) {
    Parallel.ranges(runs.count, minimum: 1024, body)
  }

  /// Writes `values[c]` over the voxels of every component c for which it is not nil, on all cores.
  func paint<Value: BitwiseCopyable & Sendable>(_ values: [Value?], over voxels: UnsafeMutablePointer<Value>) {
    let target = Shared(voxels)
    forEachPiece { indices in
      runs.withUnsafeBufferPointer { runs in
        for index in indices {
          guard let value = values[Int(components[index])] else { continue }
          let run = runs[index]
          let row = target.value + Int(run.row) * shape.x
          for x in Int(run.start)..<Int(run.end) { row[x] = value }
        }
      }
    }
  }
}
