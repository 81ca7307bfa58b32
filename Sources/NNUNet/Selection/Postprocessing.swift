import Basics
import Checkpoints
import Imaging

/// Steps that clean up segmentations: each keeps the largest component of some labels and makes the rest background.
public struct Postprocessing: Sendable, Equatable {
  /// The labels whose largest component is kept. They are one foreground together, however they are written down.
  public enum Step: Sendable, Equatable {
    /// All labels of a list.
    case labels([Int])
    /// One label, or one region.
    case item(EvaluatedLabels.Item)

    /// The labels, as a set.
    public var members: Set<Int> {
      switch self {
      case .labels(let labels): Set(labels)
      case .item(let item): Set(item.labels)
      }
    }
  }

  /// In the order in which they are applied.
  public var steps: [Step]

  public init(steps: [Step] = []) { self.steps = steps }

  /// Cleans up one segmentation.
  public func apply(to labels: inout LabelMap) {
    for step in steps { labels.keepLargestComponents(of: step.members) }
  }

  // MARK: postprocessing.pkl

  /// The only function that a `postprocessing.pkl` may name.
  static let function = PickleGlobal(
    "nnunetv2.postprocessing.remove_connected_components", "remove_all_but_largest_component_from_segmentation")

  /// Reads nnU-Net's `postprocessing.pkl`; nothing in it is run.
  ///
  /// Throws `missingInput`, and `badInput` for anything but lists of that one function and its arguments.
  public static func read(_ path: String) throws -> Postprocessing {
    try locating(path) { try Postprocessing(PickleFile.read(path)) }
  }

  init(_ value: PickleValue) throws {
    guard let parts = value.sequence, parts.count == 2, let functions = parts[0].sequence,
      let arguments = parts[1].sequence, functions.count == arguments.count
    else {
      throw Failure(
        .badInput, "is not a postprocessing of nnU-Net v2",
        hint: "expected the postprocessing.pkl that determining postprocessing has written")
    }
    steps = try zip(functions, arguments).map { function, arguments in
      guard case .global(let global) = function, global == Self.function else {
        throw Failure(
          .badInput, "asks for a postprocessing that is not known",
          hint: "\(Self.function.name) is known; no code from a file is run")
      }
      guard let dictionary = arguments.dictionary, let labels = dictionary["labels_or_regions"],
        dictionary.names.allSatisfy({ ["labels_or_regions", "background_label"].contains($0) }),
        (dictionary["background_label"]?.int ?? 0) == 0
      else { throw Failure(.badInput, "has arguments of a postprocessing that are not known") }
      return try Self.step(labels)
    }
  }

  private static func step(_ value: PickleValue) throws -> Step {
    func label(_ value: PickleValue) throws -> Int {
      guard let label = value.int, (0...65535).contains(label) else {
        throw Failure(.badInput, "names something that is no label")
      }
      return label
    }
    switch value {
    case .tuple(let labels): return .item(.init(region: try labels.map(label)))
    case .list(let items):
      // Regions in a list are part of the one foreground.
      return .labels(try items.flatMap { item in try item.sequence.map { try $0.map(label) } ?? [try label(item)] })
    default: return .item(.init(label: try label(value)))
    }
  }

  /// Writes `postprocessing.pkl`, which nnU-Net reads. Throws `cannotWrite`.
  public func write(to path: String) throws {
    let functions = steps.map { _ in PickleValue.global(Self.function) }
    let arguments = steps.map { step in
      PickleValue.dictionary(PickleDictionary([("labels_or_regions", Self.pickle(step))]))
    }
    try PickleWriter.write(.tuple([.list(functions), .list(arguments)]), to: path)
  }

  private static func pickle(_ step: Step) -> PickleValue {
    switch step {
    case .labels(let labels): .list(labels.map(PickleValue.int))
    case .item(let item) where item.isRegion: .tuple(item.labels.map(PickleValue.int))
    case .item(let item): .int(item.labels.first ?? 0)
    }
  }

  /// The part `postprocessing_kwargs` of `postprocessing.json`.
  var argumentsJSON: JSON {
    .array(
      steps.map { step in
        let labels: JSON =
          switch step {
          case .labels(let labels): .array(labels.map(JSON.int))
          case .item(let item) where item.isRegion: .array(item.labels.map(JSON.int))
          case .item(let item): .int(item.labels.first ?? 0)
          }
        return .object(["labels_or_regions": labels])
      })
  }

  /// The part `postprocessing_fns`.
  var functionsJSON: JSON { .array(steps.map { _ in .string(Self.function.name) }) }
}
