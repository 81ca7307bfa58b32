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

  /// What the native engine is to do; nil when a library is faster, as one that multiplies whole matrices at once. Fewer
  /// bits that the processor would have to imitate save no time.
  private static func nativeOptions(_ options: CompileOptions) -> CompileOptions? {
    guard options.device == "CPU", NativeEngine.isFast else { return nil }
    var native = options
    if Processor.current.imitates(options.precision) { native.precision = .fp32 }
    return switch native.precision {
    case .auto, .fp32: native
    case .bf16: Processor.current.multipliesMatrices ? nil : native
    case .fp16: nil
    }
  }

  func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    var refusal: Failure?
    if let native = Self.nativeOptions(options) {
      do {
        var notes: [String] = []
        if Processor.current.imitates(options.precision) {
          notes.append("the processor has no \(options.precision.rawValue) arithmetic: fp32 is faster and more exact")
        }
        return try NativeEngine(notes: notes).compile(network, inputShape: inputShape, options: native)
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
      guard options.device == "CPU", options.precision != .fp16 else { throw error }
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
