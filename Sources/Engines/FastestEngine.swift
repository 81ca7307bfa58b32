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

  /// A library that multiplies in bfloat16 is faster than the native engine.
  private static func prefersNative(_ options: CompileOptions) -> Bool {
    guard options.device == "CPU", NativeEngine.isFast else { return false }
    return options.precision == .fp32 || options.precision == .auto && !Processor.current.hasNativeBF16
  }

  func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    var refusal: Failure?
    if Self.prefersNative(options) {
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
