import Basics
import CKernels

extension Volume where Element == UInt8 {
  /// The smallest box around all voxels of `labels` (single-channel label map), or nil when there is none.
  public func boundingBox(of labels: LabelSet = .all) -> Box3D? {
    let shape = self.shape
    guard shape.count > 0 else { return nil }
    let isSelected = labels.table
    let pieces = max(1, min(Parallel.coreCount * 4, shape.z))
    var extents = [LabelExtent](repeating: LabelExtent(), count: pieces)
    elements.withUnsafeBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let source = Shared(base)
      extents.withUnsafeMutableBufferPointer { extents in
        let extents = Shared(extents)
        Parallel.forEach(pieces) { piece in
          var extent = LabelExtent()
          for z in shape.z * piece / pieces..<shape.z * (piece + 1) / pieces {
            extent.merge(slice: source.value + z * shape.y * shape.x, z, shape, isSelected)
          }
          extents.value[piece] = extent
        }
      }
    }
    var union = LabelExtent()
    for extent in extents { union.merge(extent) }
    return union.isEmpty ? nil : Box3D(lower: union.lower, upper: union.upper)
  }
}

/// The box around what was found so far; empty when `upper.z` is 0.
private struct LabelExtent {
  var lower = Shape3D(.max, .max, .max)
  var upper = Shape3D(0, 0, 0)

  var isEmpty: Bool { upper.z == 0 }

  /// A row is read from the left up to its first member, and from the right only beyond the columns already known. Rows
  /// between two known ones are read only outside the columns already known.
  mutating func merge(slice: UnsafePointer<UInt8>, _ z: Int, _ shape: Shape3D, _ isSelected: [UInt8]) {
    for y in 0..<shape.y {
      let row = slice + y * shape.x
      let isKnown = upper.z == z + 1 && y >= lower.y && y < upper.y
      let limit = isKnown ? min(lower.x, shape.x) : shape.x
      let first = mt_first_selected(row, limit, isSelected)
      if first < limit {
        lower = Shape3D(min(lower.z, z), min(lower.y, y), min(lower.x, first))
        upper = Shape3D(z + 1, max(upper.y, y + 1), max(upper.x, first + 1))
      }
      guard isKnown || first < limit, upper.x < shape.x else { continue }
      upper.x += mt_end_of_selected(row + upper.x, shape.x - upper.x, isSelected)
    }
  }

  mutating func merge(_ other: LabelExtent) {
    guard !other.isEmpty else { return }
    lower = Shape3D(min(lower.z, other.lower.z), min(lower.y, other.lower.y), min(lower.x, other.lower.x))
    upper = Shape3D(max(upper.z, other.upper.z), max(upper.y, other.upper.y), max(upper.x, other.upper.x))
  }
}
