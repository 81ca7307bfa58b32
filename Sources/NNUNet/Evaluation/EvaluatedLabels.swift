import Basics

/// What segmentations are judged by: the labels or regions that get figures of their own, and the label that is left out.
public struct EvaluatedLabels: Sendable, Equatable {
  /// One label, or the union of several.
  public struct Item: Sendable, Hashable {
    /// In the order of dataset.json.
    public let labels: [Int]
    /// Whether nnU-Net treats it as a region: a tuple of labels, even if it has one only.
    public let isRegion: Bool

    public init(label: Int) { (labels, isRegion) = ([label], false) }

    public init(region: [Int]) { (labels, isRegion) = (region, true) }

    /// What `summary.json` calls it: `2`, `(1, 2)`, `(1,)`.
    public var key: String {
      guard isRegion else { return labels.map(String.init).joined() }
      return "(" + labels.map(String.init).joined(separator: ", ") + (labels.count == 1 ? ",)" : ")")
    }

    /// Understands what `key` writes. Throws `badInput`.
    public init(key: String) throws {
      if let label = Int(key) {
        self.init(label: label)
        return
      }
      let parts = key.drop { $0 == "(" }.prefix { $0 != ")" }.split(separator: ",")
        .map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
      let labels = parts.compactMap { Int($0) }
      guard key.hasPrefix("("), !labels.isEmpty, labels.count == parts.count else {
        throw Failure(.badInput, "\"\(key)\" is neither a label nor a region")
      }
      self.init(region: labels)
    }
  }

  /// In the order in which nnU-Net goes through them.
  public let items: [Item]
  /// Voxels with this label in the reference count nowhere.
  public let ignore: Int?

  /// The foreground labels of a dataset, or its regions if it has any.
  public init(dataset: DatasetDescription) throws {
    let scheme = dataset.labels
    ignore = scheme.ignore
    guard scheme.hasRegions else {
      items = scheme.foregroundLabels.map(Item.init(label:))
      return
    }
    items = scheme.foreground.map { name, labels in
      dataset.json["labels"]?[name]?.array == nil ? Item(label: labels[0]) : Item(region: labels)
    }
  }

  /// Some labels, in this order.
  public init(labels: [Int], ignore: Int?) {
    items = labels.map(Item.init(label:))
    self.ignore = ignore
  }

  init(items: [Item], ignore: Int?) { (self.items, self.ignore) = (items, ignore) }
}
