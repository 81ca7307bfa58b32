import Basics
import Checkpoints

/// What training looks for in a case: each foreground label or region, and all that is annotated where some is not.
struct ClassKey: Sendable, Equatable {
  let labels: [Int]
  /// Whether nnU-Net's name for it is a tuple, as for regions, and not a number.
  let isTuple: Bool

  /// Those of a dataset, in nnU-Net's order.
  static func all(of dataset: DatasetDescription) -> [ClassKey] {
    let labels = dataset.labels
    var keys: [ClassKey]
    if labels.hasRegions {
      let entries = dataset.json["labels"]?.object
      keys = labels.foreground.map { ClassKey(labels: $0.labels, isTuple: entries?[$0.name]?.array != nil) }
    } else {
      keys = labels.foregroundLabels.map { ClassKey(labels: [$0], isTuple: false) }
    }
    if labels.ignore != nil { keys.append(ClassKey(labels: [-1] + labels.all, isTuple: true)) }
    return keys
  }

  /// The key in a case's `class_locations`.
  var pickled: PickleValue { isTuple ? .tuple(labels.map(PickleValue.int)) : .int(labels[0]) }

  /// The labels that a key in a case's `class_locations` stands for; nil when it is none.
  static func labels(of key: PickleValue) -> [Int]? {
    if let label = key.int { return [label] }
    guard let items = key.sequence else { return nil }
    let labels = items.compactMap(\.int)
    return labels.count == items.count && !labels.isEmpty ? labels : nil
  }
}
