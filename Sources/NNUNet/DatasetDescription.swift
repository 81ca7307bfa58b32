import Basics
import Inference

/// What `dataset.json` says: channels, labels and the file ending (nnU-Net v2 format).
public struct DatasetDescription: Sendable {
  /// The number of image channels.
  public let channelCount: Int
  public let labels: LabelScheme
  /// With the dot: ".nii.gz".
  public let fileEnding: String
  /// The document itself, key order kept.
  public let json: JSON

  /// Throws `badInput` naming the key that is missing or wrong.
  public init(json: JSON) throws {
    self.json = json
    // The old name wins over the new one, as in the reference.
    guard let channels = json["modality"]?.object ?? json["channel_names"]?.object, channels.count > 0 else {
      throw Failure(.badInput, "\"channel_names\" is missing or empty")
    }
    channelCount = channels.count
    guard let ending = json["file_ending"]?.string, !ending.isEmpty else {
      throw Failure(.badInput, "\"file_ending\" is missing")
    }
    fileEnding = ending
    labels = try LabelScheme(dataset: json)
  }

  /// Reads a `dataset.json`.
  public static func read(_ path: String) throws -> DatasetDescription {
    try locating(path) { try DatasetDescription(json: JSON.read(path)) }
  }
}

/// The classes or regions a network was trained for.
public struct LabelScheme: Sendable, Equatable {
  /// The names and the labels each stands for, in file order, without background and ignore.
  public let foreground: [(name: String, labels: [Int])]
  /// All labels a voxel can have, sorted, background included, ignore left out.
  public let all: [Int]
  /// The label that marks voxels to be left out of training; no network output.
  public let ignore: Int?
  /// The label written for each region, in the order of `foreground`; nil when classes exclude each other.
  public let regionOrder: [Int]?

  init(dataset: JSON) throws {
    guard let entries = dataset["labels"]?.object else { throw Failure(.badInput, "\"labels\" is missing") }
    guard entries["background"].flatMap(Self.number) == 0 else {
      throw Failure(.badInput, "\"labels\" must contain \"background\" with the value 0")
    }
    var foreground: [(name: String, labels: [Int])] = []
    var all: Set<Int> = []
    var hasRegions = false
    for (name, value) in entries.members where name != "ignore" {
      let isList = value.array != nil
      let labels = (value.array ?? [value]).compactMap(Self.number)
      guard labels.count == value.array?.count ?? 1, labels.allSatisfy({ (0...65534).contains($0) }), !labels.isEmpty
      else {
        throw Failure(.badInput, "the label \"\(name)\" is neither a label number nor a list of them")
      }
      if isList, labels.count > 1 { hasRegions = true }
      all.formUnion(labels)
      if labels.contains(where: { $0 != 0 }) { foreground.append((name, labels)) }
    }
    if let value = entries["ignore"] {
      guard let ignore = Self.number(value), ignore == (all.max() ?? 0) + 1 else {
        throw Failure(.badInput, "the label \"ignore\" must be one more than the highest other label")
      }
      self.ignore = ignore
    } else {
      ignore = nil
    }
    self.foreground = foreground
    self.all = all.sorted()
    if hasRegions {
      guard let order = dataset["regions_class_order"]?.ints else {
        throw Failure(.badInput, "some labels are regions, but \"regions_class_order\" is missing")
      }
      guard order.count == foreground.count, order.allSatisfy({ (0...65534).contains($0) }) else {
        throw Failure(
          .badInput, "\"regions_class_order\" has \(order.count) entries for \(foreground.count) regions")
      }
      regionOrder = order
    } else {
      regionOrder = nil
    }
  }

  /// A label; some files have them as text, which nnU-Net takes too.
  private static func number(_ value: JSON) -> Int? { value.int ?? value.string.flatMap { Int($0) } }

  public var hasRegions: Bool { regionOrder != nil }

  /// The number of network outputs.
  public var outputCount: Int { hasRegions ? foreground.count : all.count }

  /// The labels above background, sorted: the channels a cascade's previous segmentation is spread over.
  public var foregroundLabels: [Int] { all.filter { $0 > 0 } }

  /// The largest number a voxel can have, the one to be ignored included.
  public var highest: Int { ignore ?? all.last ?? 0 }

  /// How logits become labels.
  public var rule: LabelReduction {
    regionOrder.map { .regions($0.map(UInt16.init(truncatingIfNeeded:))) } ?? .largest
  }

  /// The names in file order, each with the number that is written where it is found: for classes the number of the
  /// network's output, for regions that of the region order.
  public var written: [(name: String, label: Int)] {
    if let regionOrder { return zip(foreground, regionOrder).map { ($0.name, $1) } }
    return foreground.compactMap { entry in
      entry.labels.first.flatMap { all.firstIndex(of: $0) }.map { (entry.name, $0) }
    }
  }

  /// Whether the written value (the channel index) differs from the label number somewhere.
  public var isConsecutive: Bool { all == Array(0..<all.count) }

  /// Whether labels need 16 bits on the way to the writer.
  public var needsWideLabels: Bool {
    let largest = regionOrder?.max() ?? all.count - 1
    return foregroundLabels.count >= 255 || largest > 255
  }

  public static func == (left: LabelScheme, right: LabelScheme) -> Bool {
    left.all == right.all && left.ignore == right.ignore && left.regionOrder == right.regionOrder
      && left.foreground.elementsEqual(right.foreground) { $0.name == $1.name && $0.labels == $1.labels }
  }
}
