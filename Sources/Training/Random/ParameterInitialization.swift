import Basics
import Checkpoints
import Networks

/// The parameters an untrained network begins with.
public enum ParameterInitialization {
  /// He's normal distribution for convolutions that a leaky ReLU of slope 0.01 follows; no biases; normalisations that do
  /// nothing, but for the last one of each residual block, which multiplies by 0.
  ///
  /// - Parameter seed: names the numbers; each parameter has a stream of its own.
  public static func parameters(of graph: Graph, seed: UInt64) throws -> [String: Tensor] {
    let lastNorms = lastNormalizations(of: graph)
    var result: [String: Tensor] = [:]
    for (index, parameter) in graph.parameters.enumerated() {
      if parameter.role == .weight, parameter.shape.count > 2 {
        var stream = RandomStream(seed: seed, purpose: .parameters, index: index)
        result[parameter.name] = try normal(parameter.shape, deviation: deviation(parameter.shape), &stream)
      } else {
        let isSilent = lastNorms.contains { parameter.name.hasPrefix($0) }
        let isOne = parameter.role == .weight && !isSilent || parameter.role == .runningVariance
        result[parameter.name] = try Tensor(
          floats: [Float](repeating: isOne ? 1 : 0, count: parameter.count), shape: parameter.shape)
      }
    }
    return result
  }

  /// sqrt(2 / (1 + slope²) / fan-in), where the fan-in is axis 1 times the kernel's volume, as PyTorch counts it, also for
  /// transposed convolutions.
  static func deviation(_ shape: [Int]) -> Double {
    squareRoot(2 / (1 + 0.01 * 0.01)) / squareRoot(Double(shape.dropFirst().reduce(1, *)))
  }

  private static func normal(_ shape: [Int], deviation: Double, _ stream: inout RandomStream) throws -> Tensor {
    let count = shape.reduce(1, *)
    var values = [Float](repeating: 0, count: count)
    for index in stride(from: 0, to: count, by: 2) {
      let (first, second) = stream.normals()
      values[index] = first * Float(deviation)
      if index + 1 < count { values[index + 1] = second * Float(deviation) }
    }
    return try Tensor(floats: values, shape: shape)
  }

  /// The beginnings of the names of the normalisations that end residual blocks.
  private static func lastNormalizations(of graph: Graph) -> Set<String> {
    let names = Set(
      graph.parameters.map(\.name).filter { $0.contains(".blocks.") && $0.contains(".norm.") }
        .compactMap { name in name.range(of: ".conv").map { String(name[..<$0.lowerBound]) } })
    return Set(
      names.map { block in
        let isBottleneck = graph.parameters.contains { $0.name.hasPrefix("\(block).conv3.") }
        return "\(block).conv\(isBottleneck ? 3 : 2).norm."
      })
  }
}

extension String {
  /// Where another string first occurs.
  fileprivate func range(of other: String) -> Range<String.Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(other) { return start..<index(start, offsetBy: other.count) }
      start = index(after: start)
    }
    return nil
  }
}
