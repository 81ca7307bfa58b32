import Basics
import Imaging

/// How often each pair of labels (reference, prediction) occurs in the same voxel.
///
/// One pass over the voxels answers every question about overlap, for all labels and regions at once.
public struct LabelConfusion: Sendable {
  /// Number of voxels for each pair that occurs.
  public let counts: [Pair: Int]

  public struct Pair: Hashable, Sendable {
    public var reference: Int
    public var prediction: Int

    public init(reference: Int, prediction: Int) {
      self.reference = reference
      self.prediction = prediction
    }
  }

  /// Pairs that have been counted elsewhere; every number is positive.
  public init(counts: [Pair: Int]) { self.counts = counts }

  /// Counts the pairs of two segmentations of the same shape, on all cores. Throws `badInput` when the shapes differ.
  public init(prediction: LabelMap, reference: LabelMap) throws {
    guard prediction.shape == reference.shape else {
      throw Failure(
        .badInput, "the prediction has \(prediction.shape) voxels, the reference \(reference.shape)",
        hint: "compare segmentations of the same image")
    }
    counts =
      switch (prediction, reference) {
      case (.uint8(let a), .uint8(let b)): PairCounter.count(a, b)
      case (.uint8(let a), .uint16(let b)): PairCounter.count(a, b)
      case (.uint16(let a), .uint8(let b)): PairCounter.count(a, b)
      case (.uint16(let a), .uint16(let b)): PairCounter.count(a, b)
      }
  }

  /// The overlap of one region, the union of some labels. Voxels whose reference is `ignore` count nowhere.
  public func overlap(of region: Set<Int>, ignoring ignore: Int? = nil) -> Overlap {
    var overlap = Overlap()
    for (pair, count) in counts where pair.reference != ignore {
      switch (region.contains(pair.prediction), region.contains(pair.reference)) {
      case (true, true): overlap.truePositives += count
      case (true, false): overlap.falsePositives += count
      case (false, true): overlap.falseNegatives += count
      case (false, false): overlap.trueNegatives += count
      }
    }
    return overlap
  }

  /// The overlap of one label.
  public func overlap(of label: Int, ignoring ignore: Int? = nil) -> Overlap { overlap(of: [label], ignoring: ignore) }

  /// The labels that occur in either segmentation, ascending.
  public var labels: [Int] { Set(counts.keys.flatMap { [$0.reference, $0.prediction] }).sorted() }

  /// The share of voxels whose labels differ; 0 for empty images.
  public var fractionDifferent: Double {
    var different = 0
    var all = 0
    for (pair, count) in counts {
      all += count
      if pair.reference != pair.prediction { different += count }
    }
    return all == 0 ? 0 : Double(different) / Double(all)
  }
}

/// Voxel counts of one label or region, and the figures nnU-Net's `summary.json` derives from them.
public struct Overlap: Sendable, Equatable {
  public var truePositives = 0
  public var falsePositives = 0
  public var falseNegatives = 0
  public var trueNegatives = 0

  public init(truePositives: Int = 0, falsePositives: Int = 0, falseNegatives: Int = 0, trueNegatives: Int = 0) {
    self.truePositives = truePositives
    self.falsePositives = falsePositives
    self.falseNegatives = falseNegatives
    self.trueNegatives = trueNegatives
  }

  /// Voxels in the prediction (`n_pred`).
  public var predicted: Int { truePositives + falsePositives }
  /// Voxels in the reference (`n_ref`).
  public var referenced: Int { truePositives + falseNegatives }

  /// 2 TP / (2 TP + FP + FN); NaN when the region is empty in both.
  public var dice: Double {
    let denominator = 2 * truePositives + falsePositives + falseNegatives
    return denominator == 0 ? .nan : Double(2 * truePositives) / Double(denominator)
  }

  /// TP / (TP + FP + FN), the Jaccard index; NaN when the region is empty in both.
  public var intersectionOverUnion: Double {
    let denominator = truePositives + falsePositives + falseNegatives
    return denominator == 0 ? .nan : Double(truePositives) / Double(denominator)
  }
}

extension LabelMap {
  /// The share of voxels that differ from `other`. Throws `badInput` when the shapes differ.
  public func fractionDifferent(from other: LabelMap) throws -> Double {
    try LabelConfusion(prediction: self, reference: other).fractionDifferent
  }
}
