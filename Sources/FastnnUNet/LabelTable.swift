import Basics

/// The labels that a mode writes, and their names.
public struct LabelTable: Sendable, Equatable {
  /// By label.
  public private(set) var entries: [Mode.LabelName] = []

  init() {}

  /// Adds a label; what is known already keeps its name.
  mutating func add(_ name: String, _ label: Int) {
    guard label > 0, !entries.contains(where: { $0.label == label }) else { return }
    entries.append(Mode.LabelName(name: name, label: label))
    entries.sort { $0.label < $1.label }
  }

  /// Gives names in place of those known. Throws `badInput` for a label that is not there.
  mutating func rename(_ names: [Mode.LabelName]) throws {
    for entry in names {
      guard let index = entries.firstIndex(where: { $0.label == entry.label }) else {
        throw Failure(
          .badInput, "\"labels\" names \(entry.label), which no model of the mode finds", hint: description)
      }
      entries[index].name = entry.name
    }
  }

  /// The number of a label.
  ///
  /// - Parameters:
  ///   - allowsNew: numbers without a name are allowed too: what labels may become.
  ///   - purpose: where the label was named, for the message.
  /// - Throws: `badInput` for a label that is not there, and for a name that several have.
  func number(_ reference: LabelReference, allowsNew: Bool = false, in purpose: String) throws -> Int {
    switch reference {
    case .number(let number):
      guard allowsNew || entries.contains(where: { $0.label == number }) else {
        throw Failure(.badInput, "\(purpose) names the label \(number), which there is not", hint: description)
      }
      return number
    case .name(let name):
      let found = entries.filter { $0.name == name }
      guard let first = found.first else {
        throw Failure(
          .badInput, "\(purpose) names the label \"\(name)\", which there is not",
          hint: Spelling.suggestion(for: name, in: entries.map(\.name)) ?? description)
      }
      guard found.count == 1 else {
        throw Failure(
          .badInput, "\(purpose) names the label \"\(name)\", which \(found.count) labels are called",
          hint: "use the number: \(found.map { "\($0.label)" }.joined(separator: " or "))")
      }
      return first.label
    }
  }

  /// "labels are femur 1, tibia 2, ..."
  private var description: String {
    let some = entries.prefix(12).map { "\($0.name) \($0.label)" }.joined(separator: ", ")
    return "labels are \(some)\(entries.count > 12 ? ", ..." : "")"
  }

  func resolve(_ operations: [LabelOperation]) throws -> [ResolvedOperation] {
    try operations.enumerated().map { index, operation in
      let purpose = "operation \(index + 1) of the postprocessing"
      var labels: [Int] = []
      if case .some(let references) = operation.labels {
        labels = try references.map { try number($0, in: purpose) }
      } else if case .reassign = operation {
        labels = entries.map(\.label)
      }
      return ResolvedOperation(
        operation: operation, labels: labels.reduce(into: []) { if !$0.contains($1) { $0.append($1) } },
        replacement: try number(operation.replacement, allowsNew: true, in: purpose))
    }
  }
}
