import Basics
import CKernels

/// How often a network was right and wrong about each class or region, as it was trained: patch by patch.
public struct OverlapCounts: Sendable, Equatable {
  /// (channel, 3): rightly given, wrongly given, wrongly not given.
  private var counts: [Int64]
  private let meaning: OutputMeaning

  public init(_ meaning: OutputMeaning) {
    self.meaning = meaning
    counts = [Int64](repeating: 0, count: meaning.channelCount * 3)
  }

  /// Adds a batch. Parameters as for `SegmentationLoss`.
  public mutating func add(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Int16>, batch: Int, voxels: Int, ignore: Int?
  ) {
    let width = counts.count
    let channels = meaning.channelCount
    let size = 1 << 14
    let perSample = (voxels + size - 1) / size
    var parts = [Int64](repeating: 0, count: batch * perSample * width)
    let (meaning, logits, labels) = (meaning, Shared(logits), Shared(labels))
    parts.withUnsafeMutableBufferPointer { buffer in
      guard let parts = buffer.baseAddress.map(Shared.init) else { return }
      Parallel.forEach(batch * perSample) { piece in
        let (sample, place) = piece.quotientAndRemainder(dividingBy: perSample)
        let start = place * size
        let count = min(size, voxels - start)
        let values = logits.value + sample * channels * voxels + start
        let marks = labels.value + sample * voxels + start
        switch meaning {
        case .classes:
          mt_count_winners(values, voxels, channels, marks, count, Int32(ignore ?? -1), parts.value + piece * width)
        case .regions(let table):
          mt_count_regions(
            values, voxels, channels, marks, count, Int32(ignore ?? -1), table.members, table.labelCount,
            parts.value + piece * width)
        }
      }
    }
    for (index, part) in parts.enumerated() { counts[index % width] += part }
  }

  /// Adds what was counted elsewhere: for each channel the voxels rightly given, wrongly given, wrongly not given.
  mutating func add(_ overlaps: [Int64]) { for index in counts.indices { counts[index] += overlaps[index] } }

  /// The Dice of each class or region, without background; NaN where there was nothing to find and nothing was found.
  public var dice: [Double] {
    (meaning.firstScored..<meaning.channelCount).map { channel in
      let (hits, extra, missed) = (counts[3 * channel], counts[3 * channel + 1], counts[3 * channel + 2])
      return Double(2 * hits) / Double(2 * hits + extra + missed)
    }
  }
}
