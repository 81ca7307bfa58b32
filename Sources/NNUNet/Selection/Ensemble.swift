import Basics

/// Segmentations by the mean of several models' probabilities (`nnUNetv2_ensemble`).
public struct Ensemble: Sendable {
  /// Folders with `<case>.npz` and `<case>.pkl`, as predictions with saved probabilities leave them.
  public let folders: [String]
  public let output: String
  /// Whether the mean probabilities are written too.
  public let savesProbabilities: Bool

  public init(folders: [String], output: String, savesProbabilities: Bool) {
    (self.folders, self.output, self.savesProbabilities) = (folders, output, savesProbabilities)
  }

  /// Averages every case that the first folder has.
  ///
  /// `plans.json` and `dataset.json` are taken from the first folder and copied to the output.
  ///
  /// - Returns: the number of cases.
  /// - Throws: `usage` for fewer than one folder; `missingInput` when a folder lacks a case that another has; what reading
  ///   and writing throws.
  @discardableResult
  public func run(
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Int {
    guard let first = folders.first else { throw Failure(.usage, "no folders to average were given") }
    let dataset = try DatasetDescription.read(Path.join(first, "dataset.json"))
    let plans = try Plans.read(Path.join(first, "plans.json"))
    let cases = try Self.cases(in: first)
    guard !cases.isEmpty else {
      throw Failure(
        .missingInput, "holds no probabilities (.npz)", file: first, hint: "predict with --save_probabilities")
    }
    for folder in folders.dropFirst() {
      let others = try Self.cases(in: folder)
      guard let odd = Set(cases).symmetricDifference(others).min() else { continue }
      throw Failure(
        .missingInput, "has no probabilities of the case \(odd)", file: cases.contains(odd) ? folder : first,
        hint: "all models must have been run on the same images with --save_probabilities")
    }
    try Path.makeFolder(output)
    for name in ["plans.json", "dataset.json"] where !Path.isSame(first, output) {
      try FileCopy.copy(name, from: first, to: output)
    }
    let average = ProbabilityAverage(dataset: dataset, reader: plans.reader)
    let counter = Counter(total: cases.count, report: progress)
    _ = try CaseWorkers.map(cases) { _, name in
      try average.write(
        folders.map { Path.join($0, name) }, to: Path.join(output, name), savesProbabilities: savesProbabilities)
      counter.advance()
    }
    return cases.count
  }

  /// The cases of a folder that have probabilities.
  static func cases(in folder: String) throws -> [String] {
    try Path.list(folder).filter { $0.hasSuffix(".npz") && !$0.hasPrefix(".") }.map { String($0.dropLast(4)) }
  }
}
