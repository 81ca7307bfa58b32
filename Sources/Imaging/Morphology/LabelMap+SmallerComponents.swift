import Basics
import CKernels

extension LabelMap {
  /// The voxels that are not in a largest connected component of `labels` taken together, as ranges of positions in the
  /// array (Z, Y, X).
  ///
  /// These are the voxels that `keepLargestComponents` sets to background: neighbours share at least a corner, size is the
  /// number of voxels, and of equally large components none is among them.
  public func smallerComponents(of labels: Set<Int>) -> [Range<Int>] {
    switch self {
    case .uint8(let volume): Self.smallerComponents(volume, labels)
    case .uint16(let volume): Self.smallerComponents(volume, labels)
    }
  }

  /// The same for each of `labels` by itself, for all of them in one pass.
  public func smallerComponents(ofEach labels: Set<Int>) -> [Int: [Range<Int>]] {
    guard case .uint8(let volume) = self else {
      return Dictionary(uniqueKeysWithValues: labels.map { ($0, smallerComponents(of: [$0])) })
    }
    let set = LabelSet(labels.compactMap(UInt8.init(exactly:)))
    let shape = volume.shape
    guard !set.isEmpty, shape.count > 0 else { return [:] }
    let found = volume.elements.withUnsafeBufferPointer { voxels in
      voxels.baseAddress.map { ForegroundRuns($0, shape: shape, of: .labels(set), connectivity: .corners) }
    }
    guard let found else { return [:] }
    let sizes = found.sizes()
    var largest = [Int](repeating: 0, count: 256)
    for (run, component) in zip(found.runs, found.components) {
      largest[Int(run.label)] = max(largest[Int(run.label)], sizes[Int(component)])
    }
    var result: [Int: [Range<Int>]] = [:]
    for (run, component) in zip(found.runs, found.components) where sizes[Int(component)] < largest[Int(run.label)] {
      result[Int(run.label), default: []].append(found.positions(of: run))
    }
    return result
  }

  private static func smallerComponents<Label: FixedWidthInteger & BitwiseCopyable & Sendable>(
    _ volume: Volume<Label>, _ labels: Set<Int>
  ) -> [Range<Int>] {
    let shape = volume.shape
    guard shape.count > 0 else { return [] }
    var isSelected = [UInt8](repeating: 0, count: Int(Label.max) + 1)
    for label in labels where isSelected.indices.contains(label) { isSelected[label] = 1 }
    let lookup = isSelected
    let mask = volume.elements.withUnsafeBufferPointer { voxels in
      Volume<UInt8>(shape: shape) { mask in
        guard let voxels = voxels.baseAddress, let mask = mask.baseAddress else { return }
        let shared = Shared((voxels: voxels, mask: mask))
        Parallel.ranges(shape.count, minimum: 1 << 14) { range in
          lookup.withUnsafeBufferPointer { lookup in
            for index in range { shared.value.mask[index] = lookup[Int(shared.value.voxels[index])] }
          }
        }
      }
    }
    let found = mask.elements.withUnsafeBufferPointer { mask in
      mask.baseAddress.map { ForegroundRuns($0, shape: shape, connectivity: .corners) }
    }
    guard let found else { return [] }
    let sizes = found.sizes()
    let largest = sizes.max() ?? 0
    return zip(found.runs, found.components).filter { sizes[Int($1)] < largest }.map { found.positions(of: $0.0) }
  }
}

extension ForegroundRuns {
  /// Where the voxels of a run lie in the array.
  fileprivate func positions(of run: Run) -> Range<Int> {
    let row = Int(run.row) * shape.x
    return row + Int(run.start)..<row + Int(run.end)
  }
}
