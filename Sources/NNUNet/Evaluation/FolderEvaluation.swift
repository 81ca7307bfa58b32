import Basics
import Evaluation
import ImageFormats
import Imaging

/// Compares all segmentations of a folder with their references.
public enum FolderEvaluation {
  /// Asks for figures about surfaces, besides those about volumes.
  public struct SurfaceOptions: Sendable {
    /// In mm, for the normalised surface Dice.
    public var tolerance: Double

    public init(tolerance: Double) { self.tolerance = tolerance }
  }

  /// Evaluates every file of `predictions` with the ending, in the order of their names, on all cores. A handful of cases
  /// are in memory at a time.
  ///
  /// - Parameters:
  ///   - fileEnding: with the dot.
  ///   - requiresAll: whether every reference must have a prediction; the other way round it always must be so.
  ///   - surfaces: nil for nnU-Net's own figures only.
  ///   - progress: hears how many of how many cases are done; called from several threads.
  /// - Throws: `missingInput` for folders and files that are not there, `badInput` for damaged files and shapes that do not
  ///   agree, naming the file; `interrupted`.
  public static func evaluate(
    predictions: String, references: String, fileEnding: String, reader: ImageReader, labels: EvaluatedLabels,
    requiresAll: Bool = false, surfaces: SurfaceOptions? = nil,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> SegmentationSummary {
    let pairs = try pairs(predictions, references, fileEnding, requiresAll: requiresAll)
    let counter = Counter(total: pairs.count, report: progress)
    let cases = try CaseWorkers.map(pairs) { _, pair in
      let metrics = try metrics(pair, reader, labels, surfaces)
      counter.advance()
      return SegmentationSummary.Case(prediction: pair.prediction, reference: pair.reference, metrics: metrics)
    }
    return SegmentationSummary(items: labels.items, cases: cases)
  }

  /// Paths of a prediction and of its reference.
  struct Pair: Sendable {
    let prediction: String
    let reference: String
  }

  static func pairs(
    _ predictions: String, _ references: String, _ ending: String, requiresAll: Bool
  ) throws -> [Pair] {
    let predicted = try segmentations(in: predictions, ending: ending)
    guard !predicted.isEmpty else {
      throw Failure(.missingInput, "holds no segmentations: no file ends in \(ending)", file: predictions)
    }
    let known = Set(try segmentations(in: references, ending: ending))
    if let name = predicted.first(where: { !known.contains($0) }) {
      throw Failure(
        .missingInput, "there is no reference for \(Path.join(predictions, name))", file: Path.join(references, name))
    }
    if requiresAll, let name = known.subtracting(predicted).min() {
      throw Failure(
        .missingInput, "there is no prediction for \(Path.join(references, name))", file: Path.join(predictions, name),
        hint: "--chill evaluates what there is")
    }
    return predicted.map { Pair(prediction: Path.join(predictions, $0), reference: Path.join(references, $0)) }
  }

  /// The names of the files of a folder with an ending, hidden ones left out.
  static func segmentations(in folder: String, ending: String) throws -> [String] {
    try Path.list(folder).filter { $0.hasSuffix(ending) && !$0.hasPrefix(".") && Path.isFile(Path.join(folder, $0)) }
  }

  private static func metrics(
    _ pair: Pair, _ reader: ImageReader, _ labels: EvaluatedLabels, _ surfaces: SurfaceOptions?
  ) throws -> [RegionMetrics] {
    let reference = try reader.readLabels(pair.reference)
    let prediction = try reader.readLabels(pair.prediction)
    return try locating(pair.prediction) {
      let confusion = try LabelConfusion(prediction: prediction.labels, reference: reference.labels)
      return try labels.items.map { item in
        var metrics = RegionMetrics(confusion.overlap(of: Set(item.labels), ignoring: labels.ignore))
        if let surfaces {
          let distances = try SurfaceDistances(
            prediction: prediction.labels, reference: reference.labels, region: Set(item.labels),
            ignoring: labels.ignore, spacing: reference.spacing)
          metrics.hausdorff95 = distances.hausdorff95
          metrics.surfaceDice = distances.surfaceDice(tolerance: surfaces.tolerance)
        }
        return metrics
      }
    }
  }
}

extension FolderEvaluation {
  /// The reader for the segmentations of a folder, and their ending, found out from the first file that a reader takes.
  ///
  /// Throws `missingInput` when there is none, and what reading the first file threw when no reader takes any.
  public static func reader(
    forSegmentationsIn folder: String
  ) throws -> (reader: ImageReader, ending: String) {
    let readers: [ImageReader] = [.naturalImage2D, .simpleITK, .tiff3D, .nibabel]
    var refusal: Failure?
    for name in try Path.list(folder) where !name.hasPrefix(".") {
      for reader in readers {
        guard let ending = reader.endings.filter(name.lowercased().hasSuffix).max(by: { $0.count < $1.count }) else {
          continue
        }
        do {
          _ = try reader.readLabels(Path.join(folder, name))
          return (reader, String(name.suffix(ending.count)))
        } catch let failure as Failure {
          refusal = refusal ?? failure
        }
      }
    }
    throw refusal
      ?? Failure(
        .missingInput, "holds no segmentations in a known format", file: folder,
        hint: "known are \(readers.flatMap(\.endings).joined(separator: ", "))")
  }
}
