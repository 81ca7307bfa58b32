import Basics
import CKernels
import Networks

/// Microtome's own convolutions: runs the U-Nets of nnU-Net on a processor, in fp32, without any library.
///
/// Convolutions of 3x3 in Y and X are computed by Winograd's method (arXiv:1509.09308), which multiplies 2.25 or 4 times
/// less often; normalisations and activations happen where the next convolution reads.
public struct NativeEngine: Engine {
  /// What the user should know about why this engine runs a network.
  private let notes: [String]

  public init() { self.init(notes: []) }

  init(notes: [String]) { self.notes = notes }

  public var name: String { "native" }
  public var version: String { "1" }
  public var devices: [String] { ["CPU"] }

  /// Whether the processor has the vector instructions that make this engine fast.
  static var isFast: Bool { mt_convolution_is_fast() != 0 }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    guard options.device == "CPU" else {
      throw Failure(.engine, "the native engine has no device \(options.device)", hint: "its only device is CPU")
    }
    guard options.precision == .auto || options.precision == .fp32 else {
      throw Failure(.engine, "the native engine cannot compute in \(options.precision.rawValue)", hint: "use fp32")
    }
    return try NativeNetwork(network.optimized(.all), inputShape: inputShape, options: options, notes: notes)
  }
}
