import Basics
import Evaluation

/// The figures of one label or region: those of one case, or their means.
public struct RegionMetrics: Sendable, Equatable {
  /// 2 TP / (2 TP + FP + FN); NaN when the region is empty in both segmentations.
  public var dice: Double
  /// TP / (TP + FP + FN); NaN as above.
  public var intersectionOverUnion: Double
  public var truePositives: Double
  public var falsePositives: Double
  public var falseNegatives: Double
  public var trueNegatives: Double
  /// Voxels of the region in the prediction and in the reference.
  public var predicted: Double
  public var referenced: Double
  /// Surface figures, if they were asked for: the symmetric 95th percentile Hausdorff distance in mm, and the normalised
  /// surface Dice. Not part of nnU-Net's files.
  public var hausdorff95: Double?
  public var surfaceDice: Double?

  public init(_ overlap: Overlap) {
    dice = overlap.dice
    intersectionOverUnion = overlap.intersectionOverUnion
    truePositives = Double(overlap.truePositives)
    falsePositives = Double(overlap.falsePositives)
    falseNegatives = Double(overlap.falseNegatives)
    trueNegatives = Double(overlap.trueNegatives)
    predicted = Double(overlap.predicted)
    referenced = Double(overlap.referenced)
  }

  /// The mean of each figure over the cases in which it is a number (`numpy.nanmean`); NaN when it is one in none.
  init(meanOverCases all: [RegionMetrics]) {
    self.init(all) { values in
      let numbers = values.filter { !$0.isNaN }
      return numbers.isEmpty ? .nan : PairwiseSum.of(values.map { $0.isNaN ? 0 : $0 }) / Double(numbers.count)
    }
  }

  /// The mean of each figure over regions; a single NaN makes it NaN.
  init(meanOverRegions all: [RegionMetrics]) {
    self.init(all) { $0.isEmpty ? .nan : PairwiseSum.of($0) / Double($0.count) }
  }

  private init(_ all: [RegionMetrics], combine: ([Double]) -> Double) {
    func mean(_ figure: (RegionMetrics) -> Double) -> Double { combine(all.map(figure)) }
    dice = mean(\.dice)
    intersectionOverUnion = mean(\.intersectionOverUnion)
    truePositives = mean(\.truePositives)
    falsePositives = mean(\.falsePositives)
    falseNegatives = mean(\.falseNegatives)
    trueNegatives = mean(\.trueNegatives)
    predicted = mean(\.predicted)
    referenced = mean(\.referenced)
    hausdorff95 = all.contains { $0.hausdorff95 != nil } ? mean { $0.hausdorff95 ?? .nan } : nil
    surfaceDice = all.contains { $0.surfaceDice != nil } ? mean { $0.surfaceDice ?? .nan } : nil
  }

  // MARK: JSON

  /// Counts are whole numbers for a case and fractions for means, as nnU-Net writes them.
  func json(areCounts: Bool) -> JSON {
    func count(_ value: Double) -> JSON { areCounts ? .int(Int(value)) : .double(value) }
    var object: JSONObject = [
      "Dice": .double(dice), "FN": count(falseNegatives), "FP": count(falsePositives),
      "IoU": .double(intersectionOverUnion), "TN": count(trueNegatives), "TP": count(truePositives),
      "n_pred": count(predicted), "n_ref": count(referenced),
    ]
    if let hausdorff95 { object["HD95"] = .double(hausdorff95) }
    if let surfaceDice { object["NSD"] = .double(surfaceDice) }
    return .object(object)
  }

  /// Throws `badInput` naming the figure that is missing.
  init(json: JSON) throws {
    func figure(_ name: String) throws -> Double {
      guard let value = json[name]?.double else { throw Failure(.badInput, "lacks the figure \"\(name)\"") }
      return value
    }
    dice = try figure("Dice")
    intersectionOverUnion = try figure("IoU")
    truePositives = try figure("TP")
    falsePositives = try figure("FP")
    falseNegatives = try figure("FN")
    trueNegatives = try figure("TN")
    predicted = try figure("n_pred")
    referenced = try figure("n_ref")
    hausdorff95 = json["HD95"]?.double
    surfaceDice = json["NSD"]?.double
  }
}

/// Sums in the order in which numpy adds up an array, so that means agree to the last bit.
enum PairwiseSum {
  static func of(_ values: [Double]) -> Double { values.withUnsafeBufferPointer { of($0[...]) } }

  /// Up to 7 numbers one after the other, up to 128 in eight lanes, more by halves.
  private static func of(_ values: Slice<UnsafeBufferPointer<Double>>) -> Double {
    let (start, count) = (values.startIndex, values.count)
    if count < 8 { return values.reduce(-0.0, +) }
    if count > 128 {
      let half = count / 2 - count / 2 % 8
      return of(values[start..<start + half]) + of(values[(start + half)...])
    }
    var lanes = (0..<8).map { values[start + $0] }
    let whole = count - count % 8
    for block in stride(from: 8, to: whole, by: 8) {
      for lane in 0..<8 { lanes[lane] += values[start + block + lane] }
    }
    var sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    for index in whole..<count { sum += values[start + index] }
    return sum
  }
}
