import Basics
import Checkpoints

/// A network in OpenVINO's intermediate representation (version 11): a text that describes the layers, and the place
/// in memory where the weights already are.
///
/// Against the same network as ONNX this saves parsing and two copies of all weights: for 31 million parameters
/// about 0.4 s and 0.5 GB. Input and answer are called `input` and `output`, as in `ONNXModel`.
public struct OpenVINOModel: Sendable {
  /// The description, UTF-8. Its offsets count from the beginning of `weights.bytes`.
  public let description: [UInt8]
  /// Hold on to it as long as the compiled network lives: OpenVINO refers to these bytes.
  public let weights: OpenVINOWeights

  /// How instance normalisation gets its means and variances.
  public enum Statistics: Sendable {
    /// By OpenVINO's own operation, which adds up all voxels of a channel in one single-precision chain: over a million
    /// voxels its results are off by 7e-5 of a standard deviation on average, where PyTorch's are by 3e-7.
    case inOneChain
    /// From the means of small windows: as exact as PyTorch's, for 3 to 5 % more time. Lower precisions would round
    /// the means of the windows, so this is for single precision only.
    case inStages
  }

  /// - Parameters:
  ///   - inputShape: (N, C, spatial axes...); nil for an axis leaves its size open.
  ///   - isChannelsLast: whether answers have the axes (N, spatial axes..., C). A processor's convolutions give them so, and
  ///     would have to be followed by a pass that reorders them.
  ///   - copiesWeights: whether the weights are to lie close together with nothing between them, as they should in a file.
  ///
  /// Throws `badInput` when the network does not fit the shape.
  public init(
    _ network: Network, inputShape: [Int?], statistics: Statistics = .inStages, isChannelsLast: Bool = false,
    copiesWeights: Bool = false
  ) throws {
    weights = try OpenVINOWeights(network, copies: copiesWeights)
    var lowering = OpenVINOLowering(
      network: network, weights: weights, statistics: statistics, isChannelsLast: isChannelsLast)
    description = Array(try lowering.description(inputShape: inputShape).utf8)
  }
}

/// The float32 weights of a network, used where they lie when they lie close together, as they do in a mapped
/// checkpoint; otherwise copied into one block.
public final class OpenVINOWeights: @unchecked Sendable {
  /// From the first to the last weight. What lies between weights has no meaning and must not be read.
  public let bytes: UnsafeRawBufferPointer
  /// Whether the weights had to be copied.
  public let isCopied: Bool
  /// Where in `bytes` each parameter begins.
  let offsets: [String: Int]
  /// Keeps the memory alive.
  private let tensors: [Tensor]
  private let block: TensorStorage?

  init(_ network: Network, copies: Bool = false) throws {
    let named = try network.graph.parameters.map { parameter in
      guard let tensor = network.weights[parameter.name] else {
        throw Failure(.internalError, "the network has no weights for \(parameter.name)")
      }
      return (name: parameter.name, tensor: tensor)
    }
    let size = named.reduce(0) { $0 + $1.tensor.count * 4 }
    // Unused heads, headers and padding of the file lie between weights, an optimizer's state behind them all.
    if !copies, let (bytes, offsets) = Self.inPlace(named, maximum: 2 * size + (1 << 20)) {
      (self.bytes, self.offsets) = (bytes, offsets)
      tensors = named.map(\.tensor)
      (block, isCopied) = (nil, false)
      return
    }
    var offsets: [String: Int] = [:]
    let block = TensorStorage(count: size) { memory in
      var position = 0
      for (name, tensor) in named {
        offsets[name] = position
        tensor.withContiguousFloats { floats in
          UnsafeMutableRawBufferPointer(rebasing: memory[position...]).copyMemory(from: UnsafeRawBufferPointer(floats))
        }
        position += tensor.count * 4
      }
    }
    (bytes, self.offsets, self.block, isCopied) = (block.bytes, offsets, block, true)
    tensors = []
  }

  /// The range of memory that holds all tensors, unless one must be converted or `maximum` bytes do not hold them.
  private static func inPlace(
    _ named: [(name: String, tensor: Tensor)], maximum: Int
  ) -> (UnsafeRawBufferPointer, [String: Int])? {
    var ranges: [(name: String, start: UnsafeRawPointer, end: UnsafeRawPointer)] = []
    for (name, tensor) in named {
      guard tensor.elementType == .float32, let raw = tensor.rawBytes, let start = raw.baseAddress,
        UInt(bitPattern: start) % 4 == 0
      else { return nil }
      ranges.append((name, start, start + raw.count))
    }
    guard let first = ranges.map(\.start).min(), let last = ranges.map(\.end).max(), last - first <= maximum else {
      return nil
    }
    let offsets = Dictionary(ranges.map { ($0.name, $0.start - first) }) { first, _ in first }
    return (UnsafeRawBufferPointer(start: first, count: last - first), offsets)
  }
}
