import Checkpoints

/// Which convolutions are computed in eight bits, and what their bits mean.
public struct Quantization: Sendable {
  /// A range of values spread over 0...255; zero is represented exactly.
  public struct Range: Sendable, Equatable {
    /// What one step is worth.
    public let scale: Float
    /// The number that stands for zero.
    public let zero: UInt8

    /// Covers `low...high` and zero. A range without extent gets steps of 1.
    public init(low: Float, high: Float) {
      let (low, high) = (min(0, low), max(0, high))
      let extent = high - low
      scale = extent > 0 && extent.isFinite ? extent / 255 : 1
      zero = UInt8(max(0, min(255, (-low / scale).rounded())))
    }
  }

  /// The range of what each quantised convolution reads, by the index of its node.
  public var inputs: [Int: Range]
  /// Of its result, where that is rounded too.
  public var outputs: [Int: Range]

  public init(inputs: [Int: Range], outputs: [Int: Range]) {
    self.inputs = inputs
    self.outputs = outputs
  }
}

extension Graph {
  /// The nodes whose convolutions are worth computing in eight bits: all but those that read the image, where there is
  /// little to gain, and those that make the answer, where rounding shows.
  public var quantizableNodes: [Int] {
    let answers = Set(outputs.map(\.index))
    return nodes.indices.filter { index in
      guard case .convolution = nodes[index].operation, let input = nodes[index].inputs.first else { return false }
      return input != .input && !answers.contains(index + 1)
    }
  }
}

/// A convolution's weights in -127...127, with a scale for each output channel.
struct QuantizedWeights {
  var bytes: [UInt8]
  var scales: [Float]

  /// - Parameter tensor: (outputs, inputs, kernel...)
  init(_ tensor: Tensor, outputs: Int) {
    let size = tensor.count / max(1, outputs)
    var scales = [Float](repeating: 1, count: outputs)
    bytes = tensor.withContiguousFloats { weights in
      var bytes = [UInt8](repeating: 0, count: weights.count)
      for channel in 0..<outputs {
        let range = channel * size..<(channel + 1) * size
        let largest = weights[range].reduce(0) { max($0, abs($1)) }
        guard largest > 0, largest.isFinite else { continue }
        scales[channel] = largest / 127
        for index in range {
          bytes[index] = UInt8(
            bitPattern: Int8(max(-127, min(127, (weights[index] / scales[channel]).rounded(.toNearestOrEven)))))
        }
      }
      return bytes
    }
    self.scales = scales
  }
}
