import Basics
import CKernels

/// Cross-entropy and soft Dice of a network's logits, with the gradient, in two passes over the logits.
///
/// Classes: softmax, cross-entropy averaged over the voxels that are not ignored, Dice without background. Regions:
/// sigmoids, binary cross-entropy, Dice of all. The Dice term is minus the mean Dice.
public struct SegmentationLoss: Sendable {
  /// How the cross-entropies of voxels are put together.
  public enum Entropy: Sendable, Equatable {
    case none
    case mean
    /// The mean of the largest tenth; only for classes.
    case largestTenth
  }

  public var meaning: OutputMeaning
  public var ignore: Int?
  public var entropy = Entropy.mean
  public var usesDice = true
  /// Dice over the whole batch at once instead of sample by sample.
  public var batchDice: Bool
  /// Added to both sides of the Dice fraction.
  public var smooth = 1e-5
  /// The share of a label's probability that is spread over all classes.
  public var labelSmoothing: Float = 0

  public init(meaning: OutputMeaning, ignore: Int?, batchDice: Bool) {
    self.meaning = meaning
    self.ignore = ignore
    self.batchDice = batchDice
  }

  /// Voxels one task works on; fixed, so that sums do not depend on the number of cores.
  private static let pieceSize = 1 << 14

  /// The loss of one output.
  ///
  /// - Parameters:
  ///   - logits: (N, C, V)
  ///   - labels: (N, V)
  ///   - batch, voxels: N and V.
  ///   - weight: what the gradient is multiplied by; the result is not.
  ///   - gradient: (N, C, V); receives the gradient by the logits, or without `differentiates` something to be ignored.
  public func evaluate(
    logits: UnsafePointer<Float>, labels: UnsafePointer<Int16>, batch: Int, voxels: Int, weight: Double,
    gradient: UnsafeMutablePointer<Float>, differentiates: Bool = true
  ) -> Double {
    let pieces = Pieces(
      loss: self, batch: batch, voxels: voxels, size: Self.pieceSize, logits: logits, labels: labels,
      gradient: gradient)
    let voxelEntropy =
      entropy == .largestTenth ? UnsafeMutablePointer<Float>.allocate(capacity: batch * voxels) : nil
    defer { voxelEntropy?.deallocate() }
    let sums = pieces.sums(voxelEntropy: voxelEntropy)

    var terms = self.terms(sums, voxels: batch * voxels, weight: weight)
    var threshold: Float = 0
    if let voxelEntropy {
      let count = max(1, Int(Double(batch * voxels) * 10 / 100))
      let top = LargestValues(of: UnsafeBufferPointer(start: voxelEntropy, count: batch * voxels), count: count)
      terms.value += top.mean
      threshold = top.threshold
      terms.entropyWeight = weight / Double(count)
    }
    guard differentiates else { return terms.value }
    pieces.differentiate(
      a: terms.inside, b: terms.everywhere, entropyWeight: Float(terms.entropyWeight), voxelEntropy: voxelEntropy,
      threshold: threshold)
    return terms.value
  }

  /// What follows from the sums over all voxels.
  struct Terms {
    /// The loss.
    var value: Double
    /// The derivatives (sample, channel) of the Dice term by a voxel's probability: where the channel is what the label
    /// says, and everywhere in addition.
    var inside: [Float]
    var everywhere: [Float]
    /// What the gradient of a voxel's cross-entropy is multiplied by.
    var entropyWeight = 0.0
  }

  /// - Parameters:
  ///   - voxels: of the whole batch.
  ///   - weight: of the gradient, as in `evaluate`.
  /// - Returns: without the cross-entropy where only the largest ones count.
  func terms(_ sums: Sums, voxels: Int, weight: Double) -> Terms {
    let dice = diceTerm(sums, weight: weight)
    var terms = Terms(value: dice.value, inside: dice.inside, everywhere: dice.everywhere)
    guard entropy == .mean, sums.valid > 0 else { return terms }
    let denominator: Double
    switch meaning {
    case .classes: denominator = Double(sums.valid)
    case .regions:
      // With an ignore label the reference divides by voxels and not by voxels times regions.
      denominator = ignore == nil ? Double(voxels * meaning.channelCount) : Double(sums.valid)
    }
    terms.value += sums.entropy / denominator
    terms.entropyWeight = weight / denominator
    return terms
  }

  /// Minus the mean Dice, and its derivatives (sample, channel) by a voxel's probability: `inside` where the channel is
  /// what the label says, and `everywhere`.
  private func diceTerm(_ sums: Sums, weight: Double) -> (value: Double, inside: [Float], everywhere: [Float]) {
    let channels = meaning.channelCount
    var inside = [Float](repeating: 0, count: sums.batch * channels)
    var everywhere = inside
    guard usesDice, channels > meaning.firstScored else { return (0, inside, everywhere) }
    let groups = batchDice ? [Array(0..<sums.batch)] : (0..<sums.batch).map { [$0] }
    let share = 1 / Double(groups.count * (channels - meaning.firstScored))
    var value = 0.0
    for samples in groups {
      for channel in meaning.firstScored..<channels {
        func sum(_ kind: Int) -> Double {
          samples.reduce(0) { $0 + sums.values[($1 * channels + channel) * 3 + kind] }
        }
        let numerator = 2 * sum(0) + smooth
        let size = sum(1) + sum(2) + smooth
        let denominator = max(size, 1e-8)
        value -= share * numerator / denominator
        for sample in samples {
          inside[sample * channels + channel] = Float(-weight * share * 2 / denominator)
          everywhere[sample * channels + channel] =
            size < 1e-8 ? 0 : Float(weight * share * numerator / (denominator * denominator))
        }
      }
    }
    return (value, inside, everywhere)
  }
}

/// What a loss is made of.
struct Sums: Sendable {
  let batch: Int
  /// (sample, channel, 3): probability where the channel is the label, probability, voxels of the label.
  var values: [Double]
  var entropy = 0.0
  var valid = 0
}

/// A batch cut into runs of voxels of one sample.
private struct Pieces: @unchecked Sendable {
  let loss: SegmentationLoss
  let batch: Int
  let voxels: Int
  let size: Int
  let logits: UnsafePointer<Float>
  let labels: UnsafePointer<Int16>
  let gradient: UnsafeMutablePointer<Float>

  private var perSample: Int { (voxels + size - 1) / size }

  /// Calls `body` on all cores with the piece's number, sample, first voxel and number of voxels.
  private func forEach(_ body: @Sendable (Int, Int, Int, Int) -> Void) {
    Parallel.forEach(batch * perSample) { piece in
      let (sample, place) = piece.quotientAndRemainder(dividingBy: perSample)
      body(piece, sample, place * size, min(size, voxels - place * size))
    }
  }

  func sums(voxelEntropy: UnsafeMutablePointer<Float>?) -> Sums {
    let channels = loss.meaning.channelCount
    // For each piece: three sums a channel, entropy, valid voxels.
    let width = 3 * channels + 2
    var parts = [Double](repeating: 0, count: batch * perSample * width)
    let voxelEntropy = Shared(voxelEntropy)
    parts.withUnsafeMutableBufferPointer { buffer in
      guard let parts = buffer.baseAddress.map(Shared.init) else { return }
      forEach { piece, sample, start, count in
        let sums = parts.value + piece * width
        let at = sample * channels * voxels + start
        let marks = labels + sample * voxels + start
        let valid: Int
        switch loss.meaning {
        case .classes:
          valid = mt_softmax_sums(
            logits + at, voxels, channels, marks, count, Int32(loss.ignore ?? -1), loss.labelSmoothing, gradient + at,
            sums, sums + 3 * channels, voxelEntropy.value.map { $0 + sample * voxels + start })
        case .regions(let table):
          valid = mt_sigmoid_sums(
            logits + at, voxels, channels, marks, count, Int32(loss.ignore ?? -1), table.members, table.labelCount,
            gradient + at, sums, sums + 3 * channels)
        }
        sums[3 * channels + 1] = Double(valid)
      }
    }
    var result = Sums(batch: batch, values: [Double](repeating: 0, count: batch * channels * 3))
    for piece in 0..<batch * perSample {
      let sample = piece / perSample
      for index in 0..<3 * channels { result.values[sample * 3 * channels + index] += parts[piece * width + index] }
      result.entropy += parts[piece * width + 3 * channels]
      result.valid += Int(parts[piece * width + 3 * channels + 1])
    }
    return result
  }

  func differentiate(
    a: [Float], b: [Float], entropyWeight: Float, voxelEntropy: UnsafeMutablePointer<Float>?, threshold: Float
  ) {
    let channels = loss.meaning.channelCount
    let voxelEntropy = Shared(voxelEntropy)
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress.map(Shared.init), let b = b.baseAddress.map(Shared.init) else { return }
        forEach { _, sample, start, count in
          let at = sample * channels * voxels + start
          let marks = labels + sample * voxels + start
          switch loss.meaning {
          case .classes:
            mt_softmax_gradient(
              gradient + at, voxels, channels, marks, count, Int32(loss.ignore ?? -1), loss.labelSmoothing,
              a.value + sample * channels, b.value + sample * channels, entropyWeight,
              voxelEntropy.value.map { UnsafePointer($0 + sample * voxels + start) }, threshold)
          case .regions(let table):
            mt_sigmoid_gradient(
              gradient + at, voxels, channels, marks, count, Int32(loss.ignore ?? -1), table.members,
              table.labelCount, a.value + sample * channels, b.value + sample * channels, entropyWeight)
          }
        }
      }
    }
  }
}
