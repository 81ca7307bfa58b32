import Basics
import Networks

/// Whatever runs a network fastest: the native engine where it can, else an installed library, which is looked for only then.
struct FastestEngine: ModelFileEngine {
  /// Finds OpenVINO or ONNX Runtime. Throws `engine` when neither is there.
  let library: @Sendable () throws -> any ModelFileEngine

  var name: String { "automatic" }
  var version: String { "1" }
  var devices: [String] {
    let others = (try? library().devices) ?? []
    return others.contains("CPU") ? others : ["CPU"] + others
  }

  /// A library that multiplies in bfloat16 is faster than the native engine, and so is one whose blocks of channels are
  /// narrower, for a network with few channels.
  private static func prefersNative(_ network: Network, _ inputShape: [Int], _ options: CompileOptions) throws -> Bool {
    guard options.device == "CPU", NativeEngine.isFast else { return false }
    guard options.precision == .fp32 || options.precision == .auto && !Processor.current.hasNativeBF16 else {
      return false
    }
    return try NativeEngine.usefulShare(of: network.graph, inputShape: inputShape) >= leastUsefulShare
  }

  /// Measured on a processor with AVX-512: with half of the lanes empty, both take the same time.
  private static let leastUsefulShare = 0.55

  func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    var refusal: Failure?
    if try Self.prefersNative(network, inputShape, options) {
      do {
        return try NativeEngine().compile(network, inputShape: inputShape, options: options)
      } catch let failure as Failure where failure.kind == .engine {
        refusal = failure
      }
    }
    let library: any ModelFileEngine
    do {
      library = try self.library()
    } catch {
      // Without a library, what the native engine has to say is what matters.
      if let refusal { throw refusal }
      guard options.device == "CPU", [.auto, .fp32].contains(options.precision) else { throw error }
      return try NativeEngine().compile(network, inputShape: inputShape, options: options)
    }
    return try library.compile(network, inputShape: inputShape, options: options)
  }

  func compile(
    _ file: any NetworkFile, inputShape: [Int], outputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    try library().compile(file, inputShape: inputShape, outputShape: outputShape, options: options)
  }

  func prepare(
    _ file: ONNXFile, inputShape: [Int], outputShape: [Int], options: CompileOptions, to target: String
  ) throws -> Precision {
    try library().prepare(file, inputShape: inputShape, outputShape: outputShape, options: options, to: target)
  }
}
