import Basics
import NNUNet

/// What a student is worth beside its teachers, on the validation cases of its fold.
public struct DistillationReport: Sendable, Equatable {
  /// One side of the comparison.
  public struct Figures: Sendable, Equatable {
    /// By label or region, then the mean over them; NaN where nothing was to be found.
    public var dice: [Double]
    public var meanDice: Double
    /// Of all networks that answer together.
    public var parameters: Int
    /// Floating-point operations of one patch, and on average of a case with all its patches and mirrorings, by 1e9.
    public var gigaflopPerPatch: Double
    public var gigaflopPerCase: Double
    /// From the first tile to the labels, on average.
    public var secondsPerCase: Double
    /// Bytes this process occupied beyond what it had before; nil where that is not known.
    public var peakMemory: Int?
  }

  public var labels: [String]
  public var cases: Int
  public var student: Figures
  /// Nil when there were none, or they were not to be judged.
  public var teachers: Figures?
  /// What has to be known to read the figures, as sentences.
  public var remarks: [String] = []
  public var budget: DistillationBudget?
  /// What the student costs in the budget's unit: seconds of these cases on average, operations of a typical one.
  public var budgetSpent: Double?
  public var smallestDice: Double?

  /// Nil without a budget.
  public var meetsBudget: Bool? {
    guard let budget, let budgetSpent else { return nil }
    return budgetSpent <= budget.limit
  }

  /// What is counted where it is not what the table counts: there it is the mean of these cases.
  private var basis: String? { budget?.quantity == .operations ? "expected of a typical case" : nil }

  /// Nil when no Dice was demanded.
  public var meetsDice: Bool? { smallestDice.map { student.meanDice >= $0 } }

  // MARK: Writing

  /// Writes `distillation_report.json` and `distillation_report.txt`. Throws `cannotWrite`.
  public func write(to folder: String) throws {
    let path = Path.join(folder, "distillation_report")
    try AtomicFile.write(Array(json.text(indent: 4).utf8), to: path + ".json")
    try AtomicFile.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: path + ".txt")
  }

  public var json: JSON {
    func figures(_ figures: Figures) -> JSON {
      .object([
        "dice": .object(JSONObject(Array(zip(labels, figures.dice.map(JSON.double))))),
        "mean_dice": .double(figures.meanDice), "parameters": .int(figures.parameters),
        "gflop_per_patch": .double(figures.gigaflopPerPatch), "gflop_per_case": .double(figures.gigaflopPerCase),
        "seconds_per_case": .double(figures.secondsPerCase),
        "peak_memory_bytes": figures.peakMemory.map(JSON.int) ?? .null,
      ])
    }
    var object: JSONObject = ["cases": .int(cases), "student": figures(student)]
    object["teacher"] = teachers.map(figures) ?? .null
    if let budget, let budgetSpent, let meetsBudget {
      var verdict: JSONObject = [
        "unit": .string(budget.quantity.rawValue), "limit": .double(budget.limit), "spent": .double(budgetSpent),
        "met": .bool(meetsBudget),
      ]
      verdict["of"] = basis.map(JSON.string)
      object["budget"] = .object(verdict)
    }
    if let smallestDice, let meetsDice {
      object["dice_floor"] = .object([
        "limit": .double(smallestDice), "reached": .double(student.meanDice), "met": .bool(meetsDice),
      ])
    }
    object["remarks"] = .array(remarks.map(JSON.string))
    return .object(object)
  }

  /// A table for people, and whether promises were kept.
  public var lines: [String] {
    let both = [student] + (teachers.map { [$0] } ?? [])
    func row(_ name: String, _ value: (Figures) -> String) -> [String] { [name] + both.map(value) }
    var rows = [["\(cases) cases", "student"] + (teachers == nil ? [] : ["teacher", "ratio"])]
    for (index, label) in labels.enumerated() { rows.append(row("Dice \(label)") { $0.dice[index].decimals(4) }) }
    rows.append(row("mean Dice") { $0.meanDice.decimals(4) })
    func compare(_ name: String, _ number: (Figures) -> Double, inWhole: Bool = false) {
      let ratio = teachers.map { ["\((100 * number(student) / max(number($0), 1e-300)).brief) %"] } ?? []
      rows.append(row(name) { inWhole ? "\(Int(number($0)))" : number($0).brief } + ratio)
    }
    compare("parameters", { Double($0.parameters) }, inWhole: true)
    compare("GFLOP per patch", \.gigaflopPerPatch)
    compare("GFLOP per case", \.gigaflopPerCase)
    compare("seconds per case", \.secondsPerCase)
    if both.allSatisfy({ $0.peakMemory != nil }) {
      compare("peak memory MiB", { Double($0.peakMemory ?? 0) / 0x1p20 })
    }
    let widths = (0..<4).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
    var lines = rows.map { row in
      row.enumerated().map { column, text in
        let gap = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 ? text + gap : gap + text
      }.joined(separator: "  ")
    }
    if let budget, let budgetSpent, let meetsBudget {
      lines.append(
        "budget of \(budget): \(meetsBudget ? "met" : "MISSED"), the student takes \(budgetSpent.brief) "
          + budget.quantity.rawValue + (basis.map { ", \($0)" } ?? ""))
    }
    if let smallestDice, let meetsDice {
      lines.append(
        "mean Dice of at least \(smallestDice.decimals(4)): \(meetsDice ? "met" : "MISSED"), it is "
          + student.meanDice.decimals(4))
    }
    return lines + remarks.map { "note: \($0)" }
  }
}
