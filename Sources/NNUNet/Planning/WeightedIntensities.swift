import Basics

/// Intensities, each with how often it was drawn, in ascending order and without repetitions.
///
/// The statistics nnU-Net takes of a hundred million drawn voxels need no more than this.
struct WeightedIntensities: Sendable {
  /// A key that sorts as the number does in the upper half, a count in the lower half.
  private let entries: [UInt64]

  /// - Parameters:
  ///   - intensities: the voxels that could be drawn.
  ///   - counts: how often each of them was.
  init(_ intensities: [Float], counts: [UInt32]) {
    var entries: [UInt64] = []
    entries.reserveCapacity(intensities.count)
    for (value, count) in zip(intensities, counts) where count > 0 {
      entries.append(UInt64(Self.key(value)) << 32 | UInt64(count))
    }
    Self.sort(&entries)
    var merged: [UInt64] = []
    for entry in entries {
      if let last = merged.last, last >> 32 == entry >> 32 {
        merged[merged.count - 1] = last + (entry & 0xFFFF_FFFF)
      } else {
        merged.append(entry)
      }
    }
    self.entries = merged
  }

  /// Maps floats to integers of the same order.
  private static func key(_ value: Float) -> UInt32 {
    // -0 and 0 are one value.
    let bits = (value + 0).bitPattern
    return bits >> 31 == 1 ? ~bits : bits | 0x8000_0000
  }

  private static func key(of entry: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: entry >> 32) }

  private static func count(of entry: UInt64) -> Int { Int(entry & 0xFFFF_FFFF) }

  private static func value(_ key: UInt32) -> Float {
    Float(bitPattern: key >> 31 == 1 ? key & 0x7FFF_FFFF : ~key)
  }

  /// Sorts by the upper half: three passes of a radix sort.
  private static func sort(_ entries: inout [UInt64]) {
    guard entries.count > 1 else { return }
    var other = [UInt64](repeating: 0, count: entries.count)
    for shift in [32, 43, 54] as [UInt64] {
      var starts = [Int](repeating: 0, count: 1 << 11)
      entries.withUnsafeBufferPointer { source in
        starts.withUnsafeMutableBufferPointer { starts in
          for entry in source { starts[Int(entry >> shift & 0x7FF)] &+= 1 }
          var sum = 0
          for digit in starts.indices { (starts[digit], sum) = (sum, sum + starts[digit]) }
          other.withUnsafeMutableBufferPointer { target in
            for entry in source {
              let digit = Int(entry >> shift & 0x7FF)
              target[starts[digit]] = entry
              starts[digit] &+= 1
            }
          }
        }
      }
      swap(&entries, &other)
    }
  }

  /// Mean, median, standard deviation, extremes and percentiles of all draws together, as nnU-Net stores them; nil when
  /// nothing was drawn.
  static func statistics(of parts: [WeightedIntensities]) -> JSON? {
    /// Adds a term for each draw.
    func sum(_ term: (Double) -> Double) -> Double {
      var sum = 0.0
      for part in parts {
        for entry in part.entries { sum += term(Double(value(key(of: entry)))) * Double(count(of: entry)) }
      }
      return sum
    }
    let total = Int(sum { _ in 1 })
    guard total > 0 else { return nil }
    let mean = sum { $0 } / Double(total)
    let variance = sum { ($0 - mean) * ($0 - mean) } / Double(total)

    let percents = [0.5, 50, 99.5]
    let positions = percents.map { Percentile.position($0, count: total) }
    let ranks = positions.flatMap { [$0.index, min($0.index + 1, total - 1)] }
    let found = orderStatistics([0, total - 1] + ranks, of: parts)
    let percentiles = positions.indices.map { index in
      Percentile.between(Double(found[2 + 2 * index]), Double(found[3 + 2 * index]), positions[index].fraction)
    }
    return .object([
      "max": .double(Double(found[1])),
      "mean": .double(Double(Float(mean))),
      // The median of an even number is the mean of the two in the middle: the same as the 50th percentile.
      "median": .double(percentiles[1]),
      "min": .double(Double(found[0])),
      "percentile_00_5": .double(percentiles[0]),
      "percentile_99_5": .double(percentiles[2]),
      "std": .double(Double(Float(variance.squareRoot()))),
    ])
  }

  /// The values of the given ranks (from 0) among all draws together.
  ///
  /// Two histograms, of the upper and the lower half of the keys, find them without merging the parts.
  private static func orderStatistics(_ ranks: [Int], of parts: [WeightedIntensities]) -> [Float] {
    var coarse = [Int](repeating: 0, count: 1 << 16)
    for part in parts {
      for entry in part.entries { coarse[Int(entry >> 48)] += count(of: entry) }
    }
    // For each rank the bin it falls into, and its rank within the bin.
    let places = ranks.map { rank -> (bin: Int, rank: Int) in
      var rest = rank
      var bin = 0
      while bin < coarse.count - 1, rest >= coarse[bin] {
        rest -= coarse[bin]
        bin += 1
      }
      return (bin, rest)
    }
    var fine = Dictionary(
      places.map { ($0.bin, [Int](repeating: 0, count: 1 << 16)) }, uniquingKeysWith: { first, _ in first })
    for bin in Array(fine.keys) {
      var histogram = fine[bin] ?? []
      fine[bin] = nil
      for part in parts {
        for entry in part.entries where Int(entry >> 48) == bin {
          histogram[Int(entry >> 32 & 0xFFFF)] += count(of: entry)
        }
      }
      fine[bin] = histogram
    }
    return places.map { place in
      let histogram = fine[place.bin] ?? []
      var rest = place.rank
      var low = 0
      while low < histogram.count - 1, rest >= histogram[low] {
        rest -= histogram[low]
        low += 1
      }
      return value(UInt32(place.bin << 16 | low))
    }
  }
}
