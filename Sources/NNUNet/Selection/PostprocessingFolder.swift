import Basics
import ImageFormats
import Imaging

/// A folder of segmentations, with what is needed to postprocess them.
public struct PostprocessingFolder: Sendable {
  public let path: String
  let dataset: DatasetDescription
  let reader: ImageReader

  /// - Parameters:
  ///   - plans: the path of `plans.json`; nil for that of the folder.
  ///   - dataset: the path of `dataset.json`; nil for that of the folder.
  /// - Throws: `missingInput` and `badInput`.
  public init(_ path: String, plans: String? = nil, dataset: String? = nil) throws {
    guard Path.isFolder(path) else {
      throw Failure(.missingInput, Path.exists(path) ? "is not a folder" : "does not exist", file: path)
    }
    self.path = path
    self.dataset = try DatasetDescription.read(dataset ?? Path.join(path, "dataset.json"))
    reader = try Plans.read(plans ?? Path.join(path, "plans.json")).reader
  }

  /// What determining the postprocessing has found.
  public struct Decision: Sendable {
    public var postprocessing: Postprocessing
    public var before: SegmentationSummary
    public var after: SegmentationSummary
  }

  /// Decides on the postprocessing of the folder's segmentations, which have references.
  ///
  /// Writes `postprocessing.pkl` and `postprocessing.json`, `summary.json` where it is missing, and, if `keepsFiles`, the
  /// postprocessed segmentations with their summary to `postprocessed`.
  @discardableResult
  public func determine(
    references: String, keepsFiles: Bool = true,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Decision {
    let labels = try EvaluatedLabels(dataset: dataset)
    let search = PostprocessingSearch(
      pairs: try FolderEvaluation.pairs(path, references, dataset.fileEnding, requiresAll: false), reader: reader,
      labels: labels, foreground: dataset.labels.foregroundLabels, progress: progress)
    let outcome = try search.run()
    let summaryPath = Path.join(path, "summary.json")
    if !Path.exists(summaryPath) { try outcome.before.write(to: summaryPath) }
    var decision = Decision(postprocessing: outcome.postprocessing, before: outcome.before, after: outcome.after)
    if keepsFiles { try write(&decision) }
    try decision.postprocessing.write(to: Path.join(path, "postprocessing.pkl"))
    let document = JSON.object([
      "input_folder": Self.means(decision.before), "postprocessed": Self.means(decision.after),
      "postprocessing_fns": decision.postprocessing.functionsJSON,
      "postprocessing_kwargs": decision.postprocessing.argumentsJSON,
    ])
    try AtomicFile.write(
      Array(document.text(indent: 4, sortedKeys: true).utf8), to: Path.join(path, "postprocessing.json"))
    return decision
  }

  private static func means(_ summary: SegmentationSummary) -> JSON {
    .object(["foreground_mean": summary.json["foreground_mean"] ?? .null, "mean": summary.meansJSON])
  }

  /// The folder `postprocessed`, replaced as a whole.
  private func write(_ decision: inout Decision) throws {
    let target = Path.join(path, "postprocessed")
    let scratch = try ScratchFolder(in: path)
    if decision.postprocessing.steps.isEmpty {
      for name in try Path.list(path) where !name.hasPrefix(".") && Path.isFile(Path.join(path, name)) {
        try FileCopy.copy(name, from: path, to: scratch.path)
      }
    } else {
      try rewrite(decision.postprocessing, to: scratch.path) { _, _ in }
      for index in decision.after.cases.indices {
        let name = Path.split(decision.after.cases[index].prediction).name
        decision.after.cases[index].prediction = Path.join(target, name)
      }
      try decision.after.write(to: Path.join(scratch.path, "summary.json"))
    }
    try scratch.replace(target)
  }

  /// Writes the postprocessed segmentations of the folder to another one, with `plans.json` and `dataset.json`.
  ///
  /// - Returns: how many there were.
  @discardableResult
  public func apply(
    _ postprocessing: Postprocessing, output: String,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Int {
    guard !Path.isSame(path, output) else {
      throw Failure(.usage, "the postprocessed segmentations would replace the others", file: output)
    }
    try Path.makeFolder(output)
    for name in ["plans.json", "dataset.json"] { try FileCopy.copy(name, from: path, to: output, required: false) }
    return try rewrite(postprocessing, to: output, progress)
  }

  @discardableResult
  private func rewrite(
    _ postprocessing: Postprocessing, to folder: String, _ progress: @escaping @Sendable (Int, Int) -> Void
  ) throws -> Int {
    let names = try FolderEvaluation.segmentations(in: path, ending: dataset.fileEnding)
    guard !names.isEmpty else {
      throw Failure(.missingInput, "holds no segmentations: no file ends in \(dataset.fileEnding)", file: path)
    }
    let counter = Counter(total: names.count, report: progress)
    _ = try CaseWorkers.map(names) { _, name in
      var image = try reader.readLabels(Path.join(path, name))
      postprocessing.apply(to: &image.labels)
      try reader.write(image.labels, as: Path.join(folder, name), like: image.geometry)
      counter.advance()
    }
    return names.count
  }
}
