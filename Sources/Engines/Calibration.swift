import Basics
import Networks

/// Finds out which values a network's convolutions see, by running it on examples.
public struct Calibration: Sendable {
  /// How a range follows from the values seen.
  public enum Rule: Sendable, Equatable {
    /// From the smallest to the largest.
    case extremes
    /// So that this part of all values lies inside, half of the rest on either side: 0.9999.
    case share(Double)
  }

  public var rule = Rule.share(0.9999)
  /// Whether results of convolutions are rounded too. ONNX Runtime computes in integers only then.
  public var roundsResults = true

  public init() {}

  /// What results of one run may take; more values are looked at in several runs.
  private static let memory = 1 << 29

  /// The ranges for the convolutions that are worth it, see `Graph.quantizableNodes`.
  ///
  /// - Parameters:
  ///   - network: as it will be written; node indices of the result are those of its graph.
  ///   - examples: inputs of `inputShape`, (N, C, spatial axes...).
  ///
  /// Throws `missingInput` without examples, `badInput` when values are not finite, and what the engine throws.
  public func ranges(
    of network: Network, examples: [[Float]], inputShape: [Int], engine: any Engine, options: CompileOptions
  ) throws -> Quantization {
    guard !examples.isEmpty else {
      throw Failure(
        .missingInput, "there is nothing to calibrate with", hint: "give a folder with a few typical images")
    }
    let graph = network.graph
    let nodes = graph.quantizableNodes
    guard !nodes.isEmpty else { throw Failure(.badInput, "\(graph.name) has no convolution that is worth quantising") }
    let values = Set(nodes.flatMap { [graph.nodes[$0].inputs[0].index] + (roundsResults ? [$0 + 1] : []) }).sorted()
    let shapes = try graph.shapes(forInput: inputShape)
    var seen: [Int: Quantization.Range] = [:]
    var group: [Int] = []
    var size = 0
    for value in values {
      group.append(value)
      size += shapes[value].reduce(4, *)
      guard size >= Self.memory || value == values.last else { continue }
      for (value, values) in try look(at: group, of: network, examples, inputShape, engine, options) {
        seen[value] = try values.range(rule)
      }
      (group, size) = ([], 0)
    }
    return Quantization(
      inputs: Dictionary(
        uniqueKeysWithValues: nodes.compactMap { node in
          seen[graph.nodes[node].inputs[0].index].map { (node, $0) }
        }),
      outputs: roundsResults
        ? Dictionary(uniqueKeysWithValues: nodes.compactMap { node in seen[node + 1].map { (node, $0) } }) : [:])
  }

  private func look(
    at values: [Int], of network: Network, _ examples: [[Float]], _ inputShape: [Int], _ engine: any Engine,
    _ options: CompileOptions
  ) throws -> [(Int, ValueHistogram)] {
    let tapped = network.tapping(values.map(Graph.Value.init(index:)))
    let compiled = try engine.compile(tapped, inputShape: inputShape, options: options)
    let request = try compiled.makeRequest()
    let shapes = try tapped.graph.shapes(forInput: inputShape)
    let histograms = values.map { _ in ValueHistogram() }
    for example in examples {
      try Interruption.check()
      precondition(example.count == request.input.count, "an example has the shape of the input")
      _ = request.input.update(fromContentsOf: example)
      try request.start()
      _ = try request.wait()
      let results = try values.indices.map { index -> Shared<UnsafeBufferPointer<Float>> in
        let result = try request.output(index)
        return Shared(UnsafeBufferPointer(rebasing: result.prefix(shapes[values[index]].reduce(1, *))))
      }
      Parallel.forEach(values.count) { histograms[$0].add(results[$0].value) }
    }
    return Array(zip(values, histograms))
  }
}

/// Counts values by the upper half of their bits, which orders them to within 1/128 of their size.
final class ValueHistogram: @unchecked Sendable {
  private var counts = [Int](repeating: 0, count: 1 << 16)
  private var smallest = Float.infinity
  private var largest = -Float.infinity
  private var hasUndefined = false

  func add(_ values: UnsafeBufferPointer<Float>) {
    counts.withUnsafeMutableBufferPointer { counts in
      var (smallest, largest) = (smallest, largest)
      for value in values {
        smallest = min(smallest, value)
        largest = max(largest, value)
        counts[Int(Self.key(value))] &+= 1
        if !value.isFinite { hasUndefined = true }
      }
      (self.smallest, self.largest) = (smallest, largest)
    }
  }

  /// Throws `badInput` when there were values that are not finite.
  func range(_ rule: Calibration.Rule) throws -> Quantization.Range {
    guard !hasUndefined, smallest <= largest else {
      throw Failure(.badInput, "the network gives values that are not finite for the calibration images")
    }
    guard case .share(let share) = rule else { return .init(low: smallest, high: largest) }
    let total = counts.reduce(0, +)
    let outside = max(0, Int(Double(total) * (1 - share) / 2))
    func end(_ keys: some Sequence<Int>) -> Float {
      var passed = 0
      for key in keys {
        passed += counts[key]
        if passed > outside { return Self.value(UInt16(key)) }
      }
      return 0
    }
    let low = end(counts.indices)
    let high = end(counts.indices.reversed())
    return .init(low: max(smallest, low), high: min(largest, high))
  }

  /// The upper half of the bits, changed so that larger values have larger numbers.
  private static func key(_ value: Float) -> UInt16 {
    let bits = UInt16(value.bitPattern >> 16)
    return bits & 0x8000 == 0 ? bits | 0x8000 : ~bits
  }

  /// The middle of the values with a key.
  private static func value(_ key: UInt16) -> Float {
    let bits = key & 0x8000 == 0 ? ~key : key & 0x7FFF
    return Float(bitPattern: UInt32(bits) << 16 | 0x8000)
  }
}
