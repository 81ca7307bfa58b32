import Basics
import CKernels

extension Volume where Element == UInt8 {
  /// Grows each of `labels` into the background around it (single-channel label map) by TotalSegmentator's ellipsoid of
  /// `radius` mm; `spacing` is (Z, Y, X) in mm.
  ///
  /// A voxel that is 0 takes the smallest of the labels whose ellipsoids cover it; other voxels stay. What an ellipsoid
  /// covers follows the reference's grid, see `EllipsoidKernel`: it may lie off its centre, or be empty. A radius of 0 or
  /// less changes nothing.
  public mutating func dilateLabels(_ labels: LabelSet = .all, radius: Double, spacing: Vector3D) {
    guard radius > 0, let box = boundingBox(of: labels) else { return }
    let kernel = EllipsoidKernel(radius: radius, spacing: spacing)
    let depth = kernel.rows.map { abs($0.z) }.max() ?? 0
    let height = kernel.rows.map { abs($0.y) }.max() ?? 0
    let width = kernel.rows.map { max(abs($0.columns.lowerBound), abs($0.columns.upperBound)) }.max() ?? 0
    guard !kernel.rows.isEmpty else { return }
    let growth = Shape3D(depth, height, width)
    let source = RankedLabels(self, labels, box, margin: width)
    let shape = self.shape
    var target = Box3D(shape)
    for axis in 0..<3 {
      target.lower[axis] = max(0, box.lower[axis] - growth[axis])
      target.upper[axis] = min(shape[axis], box.upper[axis] + growth[axis])
    }
    let windows = KernelWindow.group(kernel)
    let box2 = target
    elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let result = Shared(base)
      Parallel.ranges(box2.shape.z * box2.shape.y, minimum: 16) { rows in
        var scratch = RowScratch(width: box2.shape.x, margin: width)
        for row in rows {
          let z = box2.lower.z + row / box2.shape.y
          let y = box2.lower.y + row % box2.shape.y
          guard scratch.lower(by: source, windows, z, y, from: box2.lower.x) else { continue }
          scratch.fill(result.value + (z * shape.y + y) * shape.x + box2.lower.x)
        }
      }
    }
  }
}

/// The rows of a kernel that reach equally far to both sides: their sources are combined before they are spread.
private struct KernelWindow: Sendable {
  let columns: ClosedRange<Int>
  var offsets: [(z: Int, y: Int)]

  static func group(_ kernel: EllipsoidKernel) -> [KernelWindow] {
    var windows: [ClosedRange<Int>: KernelWindow] = [:]
    for row in kernel.rows {
      windows[row.columns, default: KernelWindow(columns: row.columns, offsets: [])].offsets.append((row.z, row.y))
    }
    return windows.values.sorted { $0.columns.count < $1.columns.count }
  }
}

/// The labels inside a box, less 1 and with 255 for none, so that a smallest value is a smallest label.
private struct RankedLabels: Sendable {
  let box: Box3D
  let voxels: [UInt8]
  /// Whether a row holds a label.
  let isUsed: [Bool]

  init(_ map: Volume<UInt8>, _ labels: LabelSet, _ box: Box3D, margin: Int) {
    self.box = box
    let table = (0...255).map { labels.contains(UInt8($0)) ? UInt8($0) &- 1 : 255 }
    let shape = map.shape
    let inner = box.shape
    var isUsed = [Bool](repeating: false, count: inner.z * inner.y)
    voxels = [UInt8](unsafeUninitializedCapacity: inner.count) { result, initialized in
      initialized = inner.count
      isUsed.withUnsafeMutableBufferPointer { isUsed in
        map.elements.withUnsafeBufferPointer { source in
          let (source, result, isUsed) = (Shared(source), Shared(result), Shared(isUsed))
          Parallel.ranges(inner.z * inner.y, minimum: 64) { rows in
            table.withUnsafeBufferPointer { table in
              for row in rows {
                let from =
                  ((box.lower.z + row / inner.y) * shape.y + box.lower.y + row % inner.y) * shape.x + box.lower.x
                var smallest: UInt8 = 255
                for x in 0..<inner.x {
                  let rank = table[Int(source.value[from + x])]
                  result.value[row * inner.x + x] = rank
                  smallest = min(smallest, rank)
                }
                isUsed.value[row] = smallest < 255
              }
            }
          }
        }
      }
    }
    self.isUsed = isUsed
  }

  /// The place of a row of the volume in `voxels`, or nil when it holds no label.
  func row(_ z: Int, _ y: Int) -> Int? {
    guard z >= box.lower.z, z < box.upper.z, y >= box.lower.y, y < box.upper.y else { return nil }
    let row = (z - box.lower.z) * box.shape.y + y - box.lower.y
    return isUsed[row] ? row * box.shape.x : nil
  }
}

/// The smallest labels that reach a row of the result.
private struct RowScratch {
  /// Those of the sources of one window, with a margin to both sides.
  private var sources: [UInt8]
  private var low: [UInt8]
  private let margin: Int

  init(width: Int, margin: Int) {
    self.margin = margin
    low = [UInt8](repeating: 255, count: width)
    sources = [UInt8](repeating: 255, count: width + 2 * margin)
  }

  /// Collects the labels that reach row (z, y) of the volume, from column `start` on. Returns whether there is any.
  mutating func lower(
    by labels: RankedLabels, _ windows: [KernelWindow], _ z: Int, _ y: Int, from start: Int
  ) -> Bool {
    var isReached = false
    let (count, margin) = (low.count, self.margin)
    labels.voxels.withUnsafeBufferPointer { voxels in
      low.withUnsafeMutableBufferPointer { low in
        sources.withUnsafeMutableBufferPointer { sources in
          guard let from = voxels.baseAddress, let low = low.baseAddress, let sources = sources.baseAddress else {
            return
          }
          // The box of the labels begins at or behind the start of the result, and ends before its end.
          let inside = sources + margin + labels.box.lower.x - start
          for window in windows {
            var isUsed = false
            for offset in window.offsets {
              guard let row = labels.row(z - offset.z, y - offset.y) else { continue }
              if !isUsed { sources.update(repeating: 255, count: count + 2 * margin) }
              isUsed = true
              mt_lower(inside, from + row, labels.box.shape.x)
            }
            guard isUsed else { continue }
            if !isReached { low.update(repeating: 255, count: count) }
            isReached = true
            // The kernel is reflected: a label at x covers x + columns, so x is covered from x - columns.
            mt_lower_window(low, sources + margin, -window.columns.upperBound, -window.columns.lowerBound, count)
          }
        }
      }
    }
    return isReached
  }

  /// Writes the labels over the zeros of a row.
  func fill(_ row: UnsafeMutablePointer<UInt8>) { mt_fill_labels(row, low, low.count) }
}
