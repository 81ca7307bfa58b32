import Basics

/// Which cases train a network and which judge it: five folds, as nnU-Net makes and stores them.
public enum CrossValidation {
  /// The cases of one fold.
  public struct Split: Sendable, Equatable {
    public var train: [String]
    public var validation: [String]

    public init(train: [String], validation: [String]) {
      self.train = train
      self.validation = validation
    }
  }

  /// The name of the file in a preprocessed (or raw) dataset's folder.
  public static let fileName = "splits_final.json"
  public static let foldCount = 5
  private static let seed = 12345

  /// Five folds, each with a fifth of the cases for validation, drawn as scikit-learn's `KFold` does with seed 12345.
  ///
  /// Cases are put in code point order first. Throws `badInput` when there are fewer than five.
  public static func splits(of identifiers: [String]) throws -> [Split] {
    let sorted = identifiers.sortedByCodePoint()
    let count = sorted.count
    guard count >= foldCount else {
      throw Failure(
        .badInput, "\(count) case(s) cannot be divided into \(foldCount) folds",
        hint: "train on fold \"all\", or write a \(fileName) with folds of your own")
    }
    var random = RandomState(seed: seed)
    let order = random.permutation(count)
    var start = 0
    return (0..<foldCount).map { fold in
      let size = count / foldCount + (fold < count % foldCount ? 1 : 0)
      let chosen = Set(order[start..<start + size])
      start += size
      return Split(
        train: sorted.indices.filter { !chosen.contains($0) }.map { sorted[$0] },
        validation: sorted.indices.filter(chosen.contains).map { sorted[$0] })
    }
  }

  /// A random division into 80 % training and 20 % validation, for a fold beyond those that are stored.
  public static func randomSplit(of identifiers: [String], fold: Int) -> Split {
    let sorted = identifiers.sortedByCodePoint()
    var random = RandomState(seed: seed + fold)
    let chosen = random.permutation(sorted.count).prefix(Int(Double(sorted.count) * 0.8))
    let isChosen = Set(chosen)
    return Split(
      train: chosen.map { sorted[$0] },
      validation: sorted.indices.filter { !isChosen.contains($0) }.map { sorted[$0] })
  }

  /// The cases of fold `fold`, a number or "all" (every case trains and judges).
  ///
  /// The folds are those of `folder`'s `splits_final.json`, which is made if it is absent. A fold beyond them is drawn at
  /// random and not stored. Throws `badInput` for a malformed file or one with unknown cases, `usage` for other folds.
  public static func split(fold: String, of identifiers: [String], folder: String) throws -> Split {
    if fold == "all" {
      let sorted = identifiers.sortedByCodePoint()
      return Split(train: sorted, validation: sorted)
    }
    // numpy takes no larger seed.
    guard let number = Int(fold), (0...Int(UInt32.max) - seed).contains(number) else {
      throw Failure(.usage, "\"\(fold)\" is no fold", hint: "folds are 0, 1, 2, ... and all")
    }
    let path = Path.join(folder, fileName)
    let splits: [Split]
    if Path.exists(path) {
      splits = try read(path)
    } else {
      splits = try self.splits(of: identifiers)
      try write(splits, to: path)
    }
    guard number < splits.count else { return randomSplit(of: identifiers, fold: number) }
    let known = Set(identifiers)
    let split = splits[number]
    let unknown = (split.train + split.validation).filter { !known.contains($0) }
    guard unknown.isEmpty else {
      let names = unknown.prefix(5).joined(separator: ", ")
      throw Failure(
        .badInput, "fold \(number) names \(unknown.count) case(s) that were not preprocessed: \(names)", file: path,
        hint: "remove the file to have the folds made anew, or preprocess the dataset again")
    }
    return split
  }

  /// Reads a `splits_final.json`: any number of folds. Throws `missingInput` or `badInput`.
  public static func read(_ path: String) throws -> [Split] {
    try locating(path) {
      guard let entries = try JSON.read(path).array, !entries.isEmpty else {
        throw Failure(.badInput, "is not a list of folds")
      }
      return try entries.enumerated().map { number, entry in
        guard let train = entry["train"]?.strings, let validation = entry["val"]?.strings else {
          throw Failure(.badInput, "fold \(number) does not have the lists \"train\" and \"val\"")
        }
        return Split(train: train, validation: validation)
      }
    }
  }

  /// Writes a `splits_final.json`, byte for byte as nnU-Net does. Throws `cannotWrite`.
  public static func write(_ splits: [Split], to path: String) throws {
    let document = JSON.array(
      splits.map {
        .object(["train": .array($0.train.map(JSON.string)), "val": .array($0.validation.map(JSON.string))])
      })
    try AtomicFile.write(Array(document.text(indent: 4).utf8), to: path)
  }
}

extension Sequence<String> {
  /// As Python sorts: by code points, whatever the locale.
  func sortedByCodePoint() -> [String] { sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) } }
}
