import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Interpolates one row of the output grid at a time; owns the memory that takes. Used by one thread.
final class RowSampler {
  private let band: LogitsBand
  private let sampling: GridSampling
  /// How channel 0 is interpolated, where classes are interpolated one by one.
  private let background: GridSampling?
  private let classes: [Int]
  /// Whether neighbours that agree settle a voxel: not where channel 0 has other neighbours than the others.
  private let trustsNeighbors: Bool
  private let rule: LabelReduction
  private let labels: UnsafeMutablePointer<UInt16>
  private let codes: UnsafeMutablePointer<UInt16>
  private let undecided: UnsafeMutablePointer<Int32>
  private let blend: UnsafeMutablePointer<Float>
  private let values: UnsafeMutablePointer<Float>
  private let best: UnsafeMutablePointer<Float>
  private let winners: UnsafeMutablePointer<UInt16>
  private var all: UnsafeMutablePointer<Float>?

  /// - Parameter classes: the channels that can win apart from `background`; nil for all.
  init(
    band: LogitsBand, sampling: GridSampling, background: GridSampling? = nil, classes: [Int]? = nil,
    rule: LabelReduction
  ) {
    self.band = band
    self.sampling = sampling
    self.background = background
    self.classes = classes ?? Array(0..<band.channels)
    trustsNeighbors = background.map(sampling.hasAxes) ?? true
    self.rule = rule
    let count = sampling.x.count
    labels = .allocate(capacity: count)
    undecided = .allocate(capacity: count + 1)
    values = .allocate(capacity: count)
    best = .allocate(capacity: count)
    winners = .allocate(capacity: count)
    codes = .allocate(capacity: band.columns)
    blend = .allocate(capacity: band.columns)
  }

  deinit {
    labels.deallocate()
    undecided.deallocate()
    values.deallocate()
    best.deallocate()
    winners.deallocate()
    codes.deallocate()
    blend.deallocate()
    all?.deallocate()
  }

  /// The four rows of the network's grid that row (z, y) of the output lies between, and their weights.
  private struct Corners {
    let slices: (Int, Int)
    let rows: (Int, Int)
    let weights: (Float, Float, Float, Float)

    init(_ sampling: GridSampling, z: Int, y: Int) {
      slices = (Int(sampling.z.first[z]), Int(sampling.z.second[z]))
      rows = (Int(sampling.y.first[y]), Int(sampling.y.second[y]))
      let (far, low) = (sampling.z.share[z], sampling.y.share[y])
      weights = ((1 - far) * (1 - low), (1 - far) * low, far * (1 - low), far * low)
    }
  }

  /// The labels of output row (z, y); valid until the next call. `code` gives the codes of a row of the network's grid.
  func labels(z: Int, y: Int, code: (Int, Int) -> UnsafePointer<UInt16>) -> UnsafePointer<UInt16> {
    guard trustsNeighbors else {
      for column in 0..<sampling.x.count { undecided[column] = Int32(truncatingIfNeeded: column) }
      decide(z, y, sampling.x.count)
      return UnsafePointer(labels)
    }
    let corners = Corners(sampling, z: z, y: y)
    mt_agree(
      codes, code(corners.slices.0, corners.rows.0), code(corners.slices.0, corners.rows.1),
      code(corners.slices.1, corners.rows.0), code(corners.slices.1, corners.rows.1), band.columns)
    let waiting = mt_decide(labels, codes, sampling.x.first, sampling.x.second, sampling.x.count, undecided)
    if waiting > 0 { decide(z, y, waiting) }
    return UnsafePointer(labels)
  }

  /// Interpolates the channels of the undecided columns and settles their labels.
  private func decide(_ z: Int, _ y: Int, _ count: Int) {
    for j in 0..<count {
      best[j] = -.infinity
      winners[j] = 0
    }
    if let background { interpolate([0], background, z, y, count) }
    interpolate(classes, sampling, z, y, count)
    for j in 0..<count { labels[Int(undecided[j])] = winners[j] }
  }

  /// Interpolates channels at the undecided columns and keeps those that win.
  private func interpolate(_ channels: [Int], _ sampling: GridSampling, _ z: Int, _ y: Int, _ count: Int) {
    let corners = Corners(sampling, z: z, y: y)
    // Only the stretch of the row that the undecided columns touch is blended.
    let lower = Int(sampling.x.first[Int(undecided[0])])
    let upper = Int(sampling.x.second[Int(undecided[count - 1])]) + 1
    for channel in channels {
      blendRows(corners, channel, lower..<upper)
      mt_sample_columns(
        values, blend, sampling.x.first, sampling.x.second, sampling.x.share, undecided, count,
        sampling.roundsToHalf ? 1 : 0)
      let label = UInt16(truncatingIfNeeded: channel)
      switch rule {
      case .largest where background != nil: mt_keep_larger_half(best, winners, values, label, count)
      case .largest: mt_keep_larger(best, winners, values, label, count)
      case .regions(let marks): mt_mark_region(winners, values, marks[channel], count)
      }
    }
  }

  private func blendRows(_ corners: Corners, _ channel: Int, _ columns: Range<Int>) {
    let near = band.slice(channel, corners.slices.0) + columns.lowerBound
    let far = band.slice(channel, corners.slices.1) + columns.lowerBound
    let (top, bottom) = (corners.rows.0 * band.columns, corners.rows.1 * band.columns)
    let weights = corners.weights
    mt_blend_rows(
      blend + columns.lowerBound, near + top, near + bottom, far + top, far + bottom, weights.0, weights.1, weights.2,
      weights.3, columns.count)
  }

  /// The probabilities of output row (z, y), (K, X); valid until the next call.
  func probabilities(z: Int, y: Int) -> UnsafeMutablePointer<Float> {
    let count = sampling.x.count
    let all = self.all ?? .allocate(capacity: band.channels * count)
    self.all = all
    for column in 0..<count { undecided[column] = Int32(truncatingIfNeeded: column) }
    let corners = Corners(sampling, z: z, y: y)
    for channel in 0..<band.channels {
      blendRows(corners, channel, 0..<band.columns)
      mt_sample_columns(
        all + channel * count, blend, sampling.x.first, sampling.x.second, sampling.x.share, undecided, count,
        sampling.roundsToHalf ? 1 : 0)
    }
    switch rule {
    case .largest: softmax(all, count)
    case .regions:
      for index in 0..<band.channels * count { all[index] = 1 / (1 + expf(-all[index])) }
    }
    return all
  }

  private func softmax(_ logits: UnsafeMutablePointer<Float>, _ count: Int) {
    for column in 0..<count {
      var largest = -Float.infinity
      for channel in 0..<band.channels { largest = max(largest, logits[channel * count + column]) }
      var sum: Float = 0
      for channel in 0..<band.channels {
        let value = expf(logits[channel * count + column] - largest)
        logits[channel * count + column] = value
        sum += value
      }
      for channel in 0..<band.channels { logits[channel * count + column] /= sum }
    }
  }

  /// The labels that a row of probabilities (K, X) implies; valid until the next call.
  func labels(ofProbabilities values: UnsafePointer<Float>) -> UnsafePointer<UInt16> {
    let count = sampling.x.count
    for column in 0..<count {
      best[column] = -.infinity
      labels[column] = 0
    }
    for channel in 0..<band.channels {
      let row = values + channel * count
      switch rule {
      case .largest: mt_keep_larger(best, labels, row, UInt16(truncatingIfNeeded: channel), count)
      case .regions(let marks): for x in 0..<count where row[x] > 0.5 { labels[x] = marks[channel] }
      }
    }
    return UnsafePointer(labels)
  }
}
