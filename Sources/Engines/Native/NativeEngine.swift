import Basics
import CKernels
import Networks

/// Microtome's own convolutions: runs the U-Nets of nnU-Net on a processor, in fp32 or bf16, without any library.
///
/// Convolutions of 3x3 in Y and X are computed by Winograd's method (arXiv:1509.09308), which multiplies 2.25 or 4 times
/// less often; normalisations and activations happen where the next convolution reads. In bf16 the factors of products are
/// rounded to bfloat16; everything else stays in fp32, as do the convolutions next to the image and to the answer.
public struct NativeEngine: Engine {
  /// What the user should know about why this engine runs a network.
  private let notes: [String]

  public init() { self.init(notes: []) }

  init(notes: [String]) { self.notes = notes }

  /// Whether bf16 is used for every convolution of features, and not only where little of its rounding reaches the answer.
  var roundsEverywhere = false

  public var name: String { "native" }
  public var version: String { "1" }
  public var devices: [String] { ["CPU"] }

  /// Whether the processor has the vector instructions that make this engine fast.
  static var isFast: Bool { mt_convolution_is_fast() != 0 }

  /// Whether the processor multiplies bfloat16 in vectors.
  static var multipliesBF16: Bool { mt_convolution_has_bf16() != 0 }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    guard options.device == "CPU" else {
      throw Failure(.engine, "the native engine has no device \(options.device)", hint: "its only device is CPU")
    }
    let precision: Precision
    switch options.precision {
    case .auto, .fp32: precision = .fp32
    case .bf16: precision = .bf16
    case .fp16: throw Failure(.engine, "the native engine cannot compute in fp16", hint: "use fp32 or bf16")
    }
    var notes = notes
    if precision == .bf16, !Self.multipliesBF16 {
      notes.append("the processor has no bf16 arithmetic: fp32 is faster and more exact")
    }
    return try NativeNetwork(
      network.optimized(.all), inputShape: inputShape, precision: precision, roundsEverywhere: roundsEverywhere,
      options: options, notes: notes)
  }
}
