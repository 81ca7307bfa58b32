import Basics
import CKernels

extension Volume where Element == UInt8 {
  /// Grows each of `labels` into the background around it (single-channel label map) by TotalSegmentator's ellipsoid of
  /// `radius` mm; `spacing` is (Z, Y, X) in mm.
  ///
  /// A voxel that is 0 takes the smallest of the labels whose ellipsoids cover it; other voxels stay. What an ellipsoid
  /// covers follows the reference's grid, see `EllipsoidKernel`: it may lie off its centre, or be empty. A radius of 0 or
  /// less changes nothing. Throws `badInput` when a voxel size is not positive, or next to nothing.
  public mutating func dilateLabels(_ labels: LabelSet = .all, radius: Double, spacing: Vector3D) throws {
    guard radius > 0 else { return }
    let windows = KernelWindow.group(try EllipsoidKernel(radius: radius, spacing: spacing, within: shape))
    guard let widest = windows.first?.columns, let box = boundingBox(of: labels) else { return }
    let offsets = windows.flatMap(\.offsets)
    let reach = Shape3D(
      offsets.map { abs($0.z) }.max() ?? 0, offsets.map { abs($0.y) }.max() ?? 0,
      max(abs(widest.lowerBound), abs(widest.upperBound)))
    var target = Box3D(shape)
    for axis in 0..<3 {
      target.lower[axis] = max(0, box.lower[axis] - reach[axis])
      target.upper[axis] = min(shape[axis], box.upper[axis] + reach[axis])
    }
    let source = RankedLabels(self, labels, box)
    let (shape, reached) = (self.shape, target)
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let result = Shared(base)
      Parallel.ranges(reached.shape.z * reached.shape.y, minimum: 16) { rows in
        var row = ReachedRow(width: box.shape.x, margin: reach.x)
        for index in rows {
          let z = reached.lower.z + index / reached.shape.y
          let y = reached.lower.y + index % reached.shape.y
          row.fill(
            result.value + (z * shape.y + y) * shape.x + reached.lower.x, z, y, from: source, windows,
            distance: box.lower.x - reached.lower.x, count: reached.shape.x)
        }
      }
    }
  }
}

/// The rows of a kernel that reach equally far to both sides.
///
/// The columns of an ellipsoid's rows lie inside one another. So the sources of the widest rows are spread by what they reach
/// further than the next ones, those are added, and so on: a few steps in place of a wide window for every kind of row.
private struct KernelWindow: Sendable {
  let columns: ClosedRange<Int>
  var offsets: [(z: Int, y: Int)]
  /// How much further this window reaches than the next narrower one, or than a single voxel.
  var spread: ClosedRange<Int>

  /// From the widest to the narrowest.
  static func group(_ kernel: EllipsoidKernel) -> [KernelWindow] {
    var groups: [ClosedRange<Int>: KernelWindow] = [:]
    for row in kernel.rows {
      groups[row.columns, default: KernelWindow(columns: row.columns, offsets: [], spread: row.columns)]
        .offsets.append((row.z, row.y))
    }
    var windows = groups.values.sorted { $0.columns.count > $1.columns.count }
    for (index, narrower) in windows.dropFirst().enumerated() {
      let wider = windows[index].columns
      windows[index].spread =
        wider.lowerBound - narrower.columns.lowerBound...wider.upperBound - narrower.columns.upperBound
    }
    return windows
  }
}

/// The labels inside a box, less 1 and with 255 for none, so that a smallest value is a smallest label.
private struct RankedLabels: Sendable {
  let box: Box3D
  let voxels: [UInt8]
  /// Whether a row holds a label.
  let isUsed: [Bool]

  init(_ map: Volume<UInt8>, _ labels: LabelSet, _ box: Box3D) {
    self.box = box
    let shape = map.shape
    let inner = box.shape
    let members = labels.labels
    let (first, last) = (members.first ?? 1, members.last ?? 0)
    let hasGaps = members.count < Int(last) - Int(first) + 1
    var isUsed = [Bool](repeating: false, count: inner.z * inner.y)
    voxels = [UInt8](unsafeUninitializedCapacity: inner.count) { result, initialized in
      initialized = inner.count
      isUsed.withUnsafeMutableBufferPointer { isUsed in
        map.elements.withUnsafeBufferPointer { source in
          guard let from = source.baseAddress, let to = result.baseAddress else { return }
          let (source, result, isUsed) = (Shared(from), Shared(to), Shared(isUsed))
          Parallel.ranges(inner.z * inner.y, minimum: 64) { rows in
            for row in rows {
              let (z, y) = row.quotientAndRemainder(dividingBy: inner.y)
              let from = source.value + ((box.lower.z + z) * shape.y + box.lower.y + y) * shape.x + box.lower.x
              let ranks = result.value + row * inner.x
              isUsed.value[row] = mt_rank_labels(ranks, from, first, last, inner.x) < 255
              guard hasGaps, isUsed.value[row] else { continue }
              for x in 0..<inner.x where ranks[x] < 255 && !labels.contains(ranks[x] + 1) { ranks[x] = 255 }
            }
          }
        }
      }
    }
    self.isUsed = isUsed
  }
}

/// The smallest labels that reach a row: those of the box, and `margin` columns to both sides of it.
private struct ReachedRow {
  /// With another margin to both sides, in which there is never anything, for windows to look at.
  private var low: [UInt8]
  private var spread: [UInt8]
  private let width: Int
  private let margin: Int

  init(width: Int, margin: Int) {
    self.width = width
    self.margin = margin
    low = [UInt8](repeating: 255, count: width + 4 * margin)
    spread = low
  }

  /// Writes over the zeros of `count` voxels of row (z, y) of the volume the labels that reach it; the first voxel lies
  /// `distance` columns before the box.
  mutating func fill(
    _ voxels: UnsafeMutablePointer<UInt8>, _ z: Int, _ y: Int, from labels: RankedLabels, _ windows: [KernelWindow],
    distance: Int, count: Int
  ) {
    let (box, width, margin) = (labels.box, self.width, self.margin)
    let height = box.shape.y
    labels.voxels.withUnsafeBufferPointer { ranks in
      labels.isUsed.withUnsafeBufferPointer { isUsed in
        low.withUnsafeMutableBufferPointer { low in
          spread.withUnsafeMutableBufferPointer { spread in
            guard let ranks = ranks.baseAddress, var here = low.baseAddress, var there = spread.baseAddress else {
              return
            }
            var isReached = false
            for window in windows {
              for offset in window.offsets {
                let (z, y) = (z - offset.z - box.lower.z, y - offset.y - box.lower.y)
                guard z >= 0, z < box.shape.z, y >= 0, y < height, isUsed[z * height + y] else { continue }
                if !isReached { here.update(repeating: 255, count: width + 4 * margin) }
                isReached = true
                mt_lower(here + 2 * margin, ranks + (z * height + y) * width, width)
              }
              guard isReached, window.spread != 0...0 else { continue }
              // A label at x covers x + columns, so x is covered from x - columns.
              mt_lowest_in_window(
                there + margin, here + margin, -window.spread.upperBound, -window.spread.lowerBound, width + 2 * margin)
              swap(&here, &there)
            }
            if isReached { mt_fill_labels(voxels, here + 2 * margin - distance, count) }
          }
        }
      }
    }
  }
}
