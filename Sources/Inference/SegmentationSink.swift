import Basics
import CKernels
import Imaging
import Synchronization

/// Resamples finished logits to the image's grid and reduces them to labels, slab by slab.
///
/// The result is that of resampling all channels of the whole volume and then taking the winner. Interpolation is a
/// convex combination, so where all eight neighbours of a voxel agree on the label by more than rounding, that is the
/// label; channels are interpolated only elsewhere, at the surfaces of organs.
public final class SegmentationSink: LogitsSink {
  private let sampling: GridSampling
  private let background: GridSampling?
  private let rule: LabelReduction
  private let canvas: LabelCanvas
  private let probabilities: ProbabilitySpool?
  /// The code of each voxel of the band's slices, `z % depth` first.
  private var codes: [UInt16] = []
  private var coded = 0
  /// Where classes are interpolated one by one: those that are the largest somewhere on the network's grid, as far as it
  /// is known. No other can win.
  private let seen = LabelsSeen()
  private var written = 0

  /// - Parameters:
  ///   - background: how channel 0 is interpolated, where that is not as the others are. A class then wins where it is
  ///     larger than the best before it rounded to half precision.
  ///   - probabilities: also receives the probabilities of every voxel, at the price of interpolating all channels
  ///     everywhere.
  public init(
    sampling: GridSampling, background: GridSampling? = nil, rule: LabelReduction, canvas: LabelCanvas,
    probabilities: ProbabilitySpool? = nil
  ) {
    self.sampling = sampling
    self.background = background
    self.rule = rule
    self.canvas = canvas
    self.probabilities = probabilities
  }

  public func consume(upTo end: Int, of band: LogitsBand) throws {
    var next = written
    while next < sampling.z.count, Int(sampling.z.second[next]) < end { next += 1 }
    let slices = written..<next
    written = next
    if let probabilities {
      writeEverything(slices, band, probabilities)
    } else if sampling.isIdentity {
      writeWinners(slices, band)
    } else {
      encode(upTo: end, band)
      writeSampled(slices, band)
    }
  }

  /// Calls `body` on all cores for pieces of the output rows of `slices`: (z, rows).
  private func forEachRows(_ slices: Range<Int>, _ body: @Sendable (Int, Range<Int>) -> Void) {
    let rows = sampling.y.count
    guard !slices.isEmpty, rows > 0 else { return }
    Parallel.ranges(slices.count * rows, minimum: 8) { range in
      var position = range.lowerBound
      while position < range.upperBound {
        let (z, y) = position.quotientAndRemainder(dividingBy: rows)
        let count = min(rows - y, range.upperBound - position)
        body(slices.lowerBound + z, y..<y + count)
        position += count
      }
    }
  }

  /// No resampling: the winner at each voxel.
  private func writeWinners(_ slices: Range<Int>, _ band: LogitsBand) {
    let columns = band.columns
    canvas.write { writer in
      forEachRows(slices) { [rule] z, rows in
        withScratch(columns) { (labels: UnsafeMutablePointer<UInt16>, scratch: UnsafeMutablePointer<Float>) in
          for y in rows {
            rule.reduce(band, z, y, to: labels, scratch: scratch)
            writer.store(labels, count: columns, z: z, y: y)
          }
        }
      }
    }
  }

  /// Codes for the slices that became final, computed once per voxel of the network's grid.
  private func encode(upTo end: Int, _ band: LogitsBand) {
    let plane = band.rows * band.columns
    if codes.isEmpty { codes = Array(repeating: 0, count: band.depth * plane) }
    let fresh = coded..<end
    coded = end
    let looksForWinners = background != nil
    codes.withUnsafeMutableBufferPointer { buffer in
      guard let codes = buffer.baseAddress.map(Shared.init) else { return }
      Parallel.ranges(fresh.count * band.rows, minimum: 8) { [rule, seen] range in
        withScratch(2 * band.columns) { (labels: UnsafeMutablePointer<UInt16>, scratch: UnsafeMutablePointer<Float>) in
          var found: Set<UInt16> = []
          for position in range {
            let (slice, y) = position.quotientAndRemainder(dividingBy: band.rows)
            let z = fresh.lowerBound + slice
            rule.encode(
              band, z, y, to: codes.value + (z % band.depth) * plane + y * band.columns, scratch: scratch)
            guard looksForWinners else { continue }
            rule.reduce(band, z, y, to: labels, scratch: scratch)
            for column in 0..<band.columns where column == 0 || labels[column] != labels[column - 1] {
              found.insert(labels[column])
            }
          }
          if looksForWinners { seen.labels.withLock { $0.formUnion(found) } }
        }
      }
    }
  }

  /// Interpolated labels: codes where they agree, channels where they do not.
  private func writeSampled(_ slices: Range<Int>, _ band: LogitsBand) {
    let plane = band.rows * band.columns
    let classes = background.map { _ in seen.labels.withLock { $0.subtracting([0]).sorted().map(Int.init) } }
    canvas.write { writer in
      codes.withUnsafeBufferPointer { buffer in
        guard let codes = buffer.baseAddress.map(Shared.init) else { return }
        forEachRows(slices) { [sampling, background, rule] z, rows in
          let sampler = RowSampler(
            band: band, sampling: sampling, background: background, classes: classes, rule: rule)
          for y in rows {
            let labels = sampler.labels(z: z, y: y) { slice, row in
              codes.value + (slice % band.depth) * plane + row * band.columns
            }
            writer.store(labels, count: sampling.x.count, z: z, y: y)
          }
        }
      }
    }
  }

  /// All channels at every voxel: probabilities to the spool, and the labels they imply.
  private func writeEverything(_ slices: Range<Int>, _ band: LogitsBand, _ probabilities: ProbabilitySpool) {
    canvas.write { writer in
      forEachRows(slices) { [sampling, rule] z, rows in
        let sampler = RowSampler(band: band, sampling: sampling, rule: rule)
        for y in rows {
          let values = sampler.probabilities(z: z, y: y)
          probabilities.store(values, count: sampling.x.count, z: z, y: y)
          writer.store(sampler.labels(ofProbabilities: values), count: sampling.x.count, z: z, y: y)
        }
      }
    }
  }
}

extension LabelReduction {
  /// The label of every voxel of a row of the network's grid.
  fileprivate func reduce(
    _ band: LogitsBand, _ z: Int, _ y: Int, to labels: UnsafeMutablePointer<UInt16>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let row = band.slice(0, z) + y * band.columns
    switch self {
    case .largest: mt_winners(labels, row, band.channels, band.channelStride, band.columns, scratch)
    case .regions(let marks): mt_region_labels(labels, row, band.channels, band.channelStride, band.columns, marks)
    }
  }

  /// The code of every voxel of a row of the network's grid.
  fileprivate func encode(
    _ band: LogitsBand, _ z: Int, _ y: Int, to codes: UnsafeMutablePointer<UInt16>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let row = band.slice(0, z) + y * band.columns
    switch self {
    case .largest: mt_certain_winners(codes, row, band.channels, band.channelStride, band.columns, scratch)
    case .regions(let marks):
      mt_certain_region_labels(codes, row, band.channels, band.channelStride, band.columns, marks)
    }
  }
}

/// Labels that several threads have come across.
private final class LabelsSeen: Sendable {
  let labels = Mutex<Set<UInt16>>([])
}

/// Lends memory for one row of labels and one row of floats.
private func withScratch(
  _ count: Int, _ body: (UnsafeMutablePointer<UInt16>, UnsafeMutablePointer<Float>) -> Void
) {
  let labels = UnsafeMutablePointer<UInt16>.allocate(capacity: count)
  let floats = UnsafeMutablePointer<Float>.allocate(capacity: count)
  defer {
    labels.deallocate()
    floats.deallocate()
  }
  body(labels, floats)
}
