import Basics
import CKernels
import Networks

/// Microtome's own convolutions: runs the U-Nets of nnU-Net on a processor, in fp32, without any library.
///
/// Convolutions of 3x3 in Y and X are computed by Winograd's method (arXiv:1509.09308), which multiplies 2.25 or 4 times
/// less often; normalisations and activations happen where the next convolution reads.
public struct NativeEngine: Engine {
  public init() {}

  public var name: String { "native" }
  public var version: String { "1" }
  public var devices: [String] { ["CPU"] }

  /// Whether the processor has the vector instructions that make this engine fast.
  static var isFast: Bool { mt_convolution_is_fast() != 0 }

  /// The part of a network's multiplications that fill the lanes of its blocks of 16 channels.
  ///
  /// Throws `badInput` for a shape that does not fit the network.
  static func usefulShare(of graph: Graph, inputShape: [Int]) throws -> Double {
    let shapes = try graph.shapes(forInput: inputShape)
    var (useful, all) = (0.0, 0.0)
    for (index, node) in graph.nodes.enumerated() {
      guard case .convolution(let convolution) = node.operation else { continue }
      let voxels = shapes[index + 1].dropFirst(2).reduce(1, *)
      let taken = Double(convolution.kernel.reduce(voxels * convolution.inputChannels, *))
      let blocks = (convolution.outputChannels + NativePlan.lanes - 1) / NativePlan.lanes
      useful += taken * Double(convolution.outputChannels)
      all += taken * Double(blocks * NativePlan.lanes)
    }
    return all > 0 ? useful / all : 1
  }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    guard options.device == "CPU" else {
      throw Failure(.engine, "the native engine has no device \(options.device)", hint: "its only device is CPU")
    }
    guard options.precision == .auto || options.precision == .fp32 else {
      throw Failure(.engine, "the native engine cannot compute in \(options.precision.rawValue)", hint: "use fp32")
    }
    return try NativeNetwork(network.optimized(.all), inputShape: inputShape, options: options)
  }
}
