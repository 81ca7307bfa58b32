import CKernels

/// The runs of a label map of bytes, sorted by label: one pass over the voxels, from which the mask of every label can
/// be had.
public struct LabelRuns: Sendable {
  /// Voxels of the whole volume.
  public let count: Int
  private let runs: [MaskRun]
  /// Where the runs of each label begin; those of label 0 are not kept.
  private let starts: [Int]

  /// Voxels that one core looks at at a time.
  private static let pieceLength = 1 << 20

  /// Finds the runs on all cores.
  public init(_ labels: UnsafeRawBufferPointer) {
    count = labels.count
    let pieceCount = (labels.count + Self.pieceLength - 1) / Self.pieceLength
    var pieces = [[MaskRun]](repeating: [], count: pieceCount)
    var counts = [[Int]](repeating: [], count: pieceCount)
    pieces.withUnsafeMutableBufferPointer { pieces in
      counts.withUnsafeMutableBufferPointer { counts in
        let shared = Shared((labels: labels, pieces: pieces, counts: counts))
        Parallel.forEach(pieces.count) { index in
          let (labels, pieces, counts) = shared.value
          let start = index * Self.pieceLength
          let end = min(labels.count, start + Self.pieceLength)
          (pieces[index], counts[index]) = Self.sortedRuns(
            UnsafeRawBufferPointer(rebasing: labels[start..<end]), offset: start)
        }
      }
    }
    // Runs of a label in one piece come before those in the next.
    var starts = [0]
    for label in 0..<256 { starts.append(starts[label] + counts.reduce(0) { $0 + $1[label] }) }
    runs = [MaskRun](unsafeUninitializedCapacity: starts[256]) { target, initialized in
      var next = starts
      for (piece, counts) in zip(pieces, counts) {
        var position = 0
        for label in 1..<256 where counts[label] > 0 {
          for index in 0..<counts[label] {
            target.initializeElement(at: next[label] + index, to: piece[position + index])
          }
          position += counts[label]
          next[label] += counts[label]
        }
      }
      initialized = starts[256]
    }
    self.starts = starts
  }

  /// Whether any voxel carries `label`, which must not be 0.
  public func contains(_ label: UInt8) -> Bool { starts[Int(label)] < starts[Int(label) + 1] }

  /// Whether any voxel carries label 0.
  public var hasBackground: Bool { runs.reduce(0) { $0 + $1.count } < count }

  /// The runs of one label other than 0, in ascending order.
  public func mask(of label: UInt8) -> ArraySlice<MaskRun> { runs[starts[Int(label)]..<starts[Int(label) + 1]] }

  /// The runs of several labels other than 0, in ascending order.
  public func mask(of labels: Set<UInt8>) -> [MaskRun] {
    var merged: [MaskRun] = []
    merged.reserveCapacity(labels.reduce(0) { $0 + mask(of: $1).count })
    for label in labels { merged += mask(of: label) }
    if labels.count > 1 { merged.sort() }
    return merged
  }

  /// The runs of all voxels outside `mask`, whose runs are in ascending order.
  public func complement(of mask: [MaskRun]) -> [MaskRun] {
    var result: [MaskRun] = []
    var end = 0
    func append(_ next: Int) {
      while end < next {
        let length = min(next - end, MaskRun.longest)
        result.append(MaskRun(start: end, count: length))
        end += length
      }
    }
    for run in mask {
      append(run.start)
      end = run.end
    }
    append(count)
    return result
  }

  /// The runs of one piece by label, and how many each label has; 0 has none.
  private static func sortedRuns(_ labels: UnsafeRawBufferPointer, offset: Int) -> ([MaskRun], [Int]) {
    let found = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: labels.count)
    defer { found.deallocate() }
    let count = mt_find_runs(labels.baseAddress, labels.count, 1, UInt64(offset), found.baseAddress)
    var counts = [Int](repeating: 0, count: 256)
    for index in 0..<count { counts[Int(found[index] & 0xFF)] += 1 }
    counts[0] = 0
    var next = [0]
    for label in 0..<255 { next.append(next[label] + counts[label]) }
    let total = next[255] + counts[255]
    let runs = [MaskRun](unsafeUninitializedCapacity: total) { target, initialized in
      for index in 0..<count {
        let label = Int(found[index] & 0xFF)
        guard label > 0 else { continue }
        let start = Int(found[index] >> 16)
        let end = index + 1 < count ? Int(found[index + 1] >> 16) : offset + labels.count
        target.initializeElement(at: next[label], to: MaskRun(start: start, count: end - start))
        next[label] += 1
      }
      initialized = total
    }
    return (runs, counts)
  }
}
