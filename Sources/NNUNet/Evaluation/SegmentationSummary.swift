import Basics

/// How well segmentations agree with their references, case by case and on average: nnU-Net's `summary.json`.
public struct SegmentationSummary: Sendable, Equatable {
  /// The figures of one case.
  public struct Case: Sendable, Equatable {
    public var prediction: String
    public var reference: String
    /// In the order of `items`.
    public var metrics: [RegionMetrics]

    public init(prediction: String, reference: String, metrics: [RegionMetrics]) {
      (self.prediction, self.reference, self.metrics) = (prediction, reference, metrics)
    }
  }

  public var items: [EvaluatedLabels.Item]
  public var cases: [Case]
  /// The mean over cases for each of `items`; cases in which a figure is not a number are left out of its mean.
  public var means: [RegionMetrics]
  /// The mean of `means` over all labels and regions but the background. One label that occurs in no case makes it NaN.
  public var foregroundMean: RegionMetrics

  /// Averages the figures of cases, each of which has as many as there are items.
  public init(items: [EvaluatedLabels.Item], cases: [Case]) {
    self.items = items
    self.cases = cases
    means = items.indices.map { index in RegionMetrics(meanOverCases: cases.map { $0.metrics[index] }) }
    foregroundMean = RegionMetrics(meanOverRegions: zip(items, means).filter { !$0.0.isBackground }.map(\.1))
  }

  /// The figure that models are ranked by.
  public var foregroundDice: Double { foregroundMean.dice }

  // MARK: JSON

  /// The document as nnU-Net writes it; keys are sorted when it is written.
  public var json: JSON {
    .object([
      "foreground_mean": foregroundMean.json(areCounts: false), "mean": meansJSON,
      "metric_per_case": .array(
        cases.map { entry in
          .object([
            "metrics": byKey(entry.metrics, areCounts: true), "prediction_file": .string(entry.prediction),
            "reference_file": .string(entry.reference),
          ])
        }),
    ])
  }

  /// The part `mean`.
  var meansJSON: JSON { byKey(means, areCounts: false) }

  private func byKey(_ metrics: [RegionMetrics], areCounts: Bool) -> JSON {
    .object(JSONObject(zip(items, metrics).map { ($0.key, $1.json(areCounts: areCounts)) }))
  }

  /// Writes `summary.json`, atomically. Throws `cannotWrite`.
  public func write(to path: String) throws {
    try AtomicFile.write(Array(json.text(indent: 4, sortedKeys: true).utf8), to: path)
  }

  /// Reads what nnU-Net or `write` has written. Throws `missingInput`, and `badInput` naming what is missing.
  public static func read(_ path: String) throws -> SegmentationSummary {
    try locating(path) { try SegmentationSummary(json: JSON.read(path)) }
  }

  init(json: JSON) throws {
    guard let means = json["mean"]?.object, let foreground = json["foreground_mean"],
      let cases = json["metric_per_case"]?.array
    else {
      throw Failure(
        .badInput, "is not a summary of nnU-Net v2", hint: "it must hold mean, foreground_mean and metric_per_case")
    }
    let keys = means.keys
    items = try keys.map(EvaluatedLabels.Item.init(key:))
    self.means = try means.members.map { try RegionMetrics(json: $0.value) }
    foregroundMean = try RegionMetrics(json: foreground)
    self.cases = try cases.map { entry in
      Case(
        prediction: entry["prediction_file"]?.string ?? "", reference: entry["reference_file"]?.string ?? "",
        metrics: try keys.map { key in
          guard let metrics = entry["metrics"]?[key] else {
            throw Failure(.badInput, "has a case without figures for \(key)")
          }
          return try RegionMetrics(json: metrics)
        })
    }
  }
}

extension EvaluatedLabels.Item {
  fileprivate var isBackground: Bool { !isRegion && labels == [0] }
}
