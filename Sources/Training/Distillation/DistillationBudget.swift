import Basics
import Engines
import Inference
import NNUNet
import Networks

/// What a student may cost.
public struct DistillationBudget: Sendable, Equatable, CustomStringConvertible {
  public enum Quantity: String, Sendable {
    /// Seconds of a case in the network, on this machine.
    case seconds = "s/case"
    /// Billions of floating-point operations of a case.
    case operations = "GFLOP/case"
    /// Millions of bytes that the network needs to run: weights, and activations at the worst moment, in single precision.
    case memory = "MB"
  }

  public var quantity: Quantity
  public var limit: Double

  public init(_ limit: Double, _ quantity: Quantity) {
    self.limit = limit
    self.quantity = quantity
  }

  /// Reads "2 s/case", "30 GFLOP", "200 MB". Throws `usage`.
  public init(parsing text: String) throws {
    let number = text.prefix { $0.isNumber || $0 == "." }
    let unit = text.dropFirst(number.count).filter { $0 != " " }.lowercased()
    let units: [String: Quantity] = [
      "s": .seconds, "s/case": .seconds, "gflop": .operations, "gflops": .operations, "gflop/case": .operations,
      "mb": .memory,
    ]
    guard let limit = Double(number), limit > 0, let quantity = units[unit] else {
      throw Failure(
        .usage, "\"\(text)\" is no budget", hint: "examples: \"2 s/case\", \"30 GFLOP\" (of a case), \"200 MB\"")
    }
    self.init(limit, quantity)
  }

  public var description: String { "\(limit.brief) \(quantity.rawValue)" }

  /// Seconds of a case beside the network, as a share: resampling, reading, writing.
  private static let reserve = 0.1

  /// What a budget has chosen.
  public struct Choice: Sendable, Equatable {
    public var reduction: Int
    /// In the budget's unit.
    public var expected: Double
  }

  /// The least reduction that keeps a student within the budget.
  ///
  /// - Parameters:
  ///   - design: the reduction apart, what the student will be.
  ///   - network: as the plans have it.
  ///   - inputShape: (1, C, spatial axes...)
  ///   - passes: of a typical case.
  ///   - secondsPerPass: measures a network; only asked for a budget of seconds, about five times.
  /// - Throws: `usage` when even the smallest student costs more; what `secondsPerPass` throws.
  public func choose(
    _ design: StudentDesign, of network: UNetConfiguration, inputShape: [Int], passes: Int,
    secondsPerPass: (Graph) throws -> Double
  ) throws -> Choice {
    var known: [Int: Double] = [:]
    func cost(_ reduction: Int) throws -> Double {
      if let cost = known[reduction] { return cost }
      var design = design
      design.reduction = reduction
      let graph = try design.student(of: network).makeGraph()
      let cost = try value(graph, inputShape: inputShape, passes: passes, secondsPerPass: secondsPerPass)
      known[reduction] = cost
      return cost
    }
    let allowed = quantity == .seconds ? limit * (1 - Self.reserve) : limit
    var high = max(1, (network.features.max() ?? 1) / StudentDesign.smallestWidth)
    guard try cost(high) <= allowed else {
      throw Failure(
        .usage,
        "no student fits the budget of \(self): the smallest (reduction \(high)) needs about "
          + "\(try cost(high).brief) \(quantity.rawValue)"
          + (quantity == .seconds ? ", and a tenth is kept for what surrounds the network" : ""),
        hint: network.family == .plain
          ? "allow more, or have fewer convolutions with --blocks"
          : "allow more, or have fewer blocks with -bs reduce or --blocks")
    }
    // Costs fall with the reduction.
    var low = 1
    while low < high {
      let middle = (low + high) / 2
      if try cost(middle) <= allowed { high = middle } else { low = middle + 1 }
    }
    return Choice(reduction: high, expected: try cost(high))
  }

  /// What a network costs, in the budget's unit.
  func value(
    _ graph: Graph, inputShape: [Int], passes: Int, secondsPerPass: (Graph) throws -> Double
  ) throws -> Double {
    switch quantity {
    case .seconds: return try secondsPerPass(graph) * Double(passes)
    case .operations: return Double(try graph.cost(forInput: inputShape).operations) * Double(passes) / 1e9
    case .memory:
      let cost = try graph.cost(forInput: inputShape)
      return Double(4 * cost.parameters + cost.peakActivationBytes) / 1e6
    }
  }
}
