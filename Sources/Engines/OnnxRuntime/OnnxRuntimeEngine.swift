import Basics
import COnnxRuntime
import Networks

/// Runs networks with ONNX Runtime: on processors, with CUDA and TensorRT, and with CoreML, as far as the library that
/// was found has been built with them.
public struct OnnxRuntimeEngine: Engine {
  let library: OnnxRuntimeLibrary

  /// Opens the ONNX Runtime library at `path` (`libonnxruntime.so...`). Throws `engine` when it cannot be used.
  public init(libraryPath path: String) throws { library = try OnnxRuntimeLibrary(path: path) }

  public var name: String { "onnxruntime" }
  public var version: String { library.version }
  /// The library file in use.
  public var path: String { library.path }

  /// The devices of the providers that the library offers; whether there is such hardware shows when it is used.
  public var devices: [String] {
    OnnxRuntimeProvider.allCases.filter { library.providers.contains($0.libraryName) }.map(\.rawValue)
  }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    let settings = try OnnxRuntimeSettings(options, library: library)
    let network = network.optimized(.all)
    let shapes = try network.graph.shapes(forInput: inputShape)
    let bytes = try ONNXModel(network, inputShape: inputShape).bytes()
    return try OnnxRuntimeNetwork(
      .bytes(bytes), library: library, settings: settings, inputName: "input", inputShape: inputShape,
      outputs: ONNXModel.outputNames(network.graph.outputs.count).enumerated().map {
        ($1, shapes[network.graph.outputs[$0].index])
      })
  }
}

extension OnnxRuntimeEngine: ModelFileEngine {
  public func compile(
    _ file: ONNXFile, inputShape: [Int], outputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    let settings = try OnnxRuntimeSettings(options, library: library)
    let (input, output) = try file.segmentationPorts()
    let axes = zip(input.axisNames, zip(input.shape, inputShape)).compactMap { name, sizes in
      sizes.0 == nil ? name.map { (name: $0, size: sizes.1) } : nil
    }
    return try OnnxRuntimeNetwork(
      .file(file.path), library: library, settings: settings, inputName: input.name, inputShape: inputShape,
      outputs: [(output.name, outputShape)], axes: axes)
  }
}

/// What computes: ONNX Runtime's execution providers by the names of devices.
enum OnnxRuntimeProvider: String, CaseIterable {
  case cpu = "CPU"
  case cuda = "CUDA"
  case tensorRT = "TENSORRT"
  case coreML = "COREML"

  /// As the library lists it.
  var libraryName: String {
    switch self {
    case .cpu: "CPUExecutionProvider"
    case .cuda: "CUDAExecutionProvider"
    case .tensorRT: "TensorrtExecutionProvider"
    case .coreML: "CoreMLExecutionProvider"
    }
  }
}

extension OnnxRuntimeProvider {
  /// As the function that adds it calls it.
  var shortName: String {
    switch self {
    case .cpu, .cuda: rawValue
    case .tensorRT: "TensorRT"
    case .coreML: "CoreML"
    }
  }
}

/// How a session is set up for a device and a precision.
struct OnnxRuntimeSettings {
  var provider: OnnxRuntimeProvider
  var precision: Precision
  var threads: Int
  /// The provider's own options.
  var providerOptions: [(key: String, value: String)]
  /// Settings of the session. Threads that wait by spinning would take the cores from what happens between passes.
  var entries = [(key: "session.intra_op.allow_spinning", value: "0")]
  /// Whether memory for intermediate results is kept between passes.
  var keepsMemory = true
  /// One computes while the result of the other is read.
  var requests = 2

  /// Throws `engine` when the library does not offer the device, or the device not the precision.
  init(_ options: CompileOptions, library: OnnxRuntimeLibrary) throws {
    let offered = OnnxRuntimeProvider.allCases.filter { library.providers.contains($0.libraryName) }
    let names = offered.map(\.rawValue).joined(separator: ", ")
    var (device, index) = (options.device, "0")
    if let separator = device.lastIndex(where: { ".:".contains($0) }) {
      index = String(device[device.index(after: separator)...])
      device = String(device[..<separator])
    }
    // "GPU" is whatever graphics processor there is. TensorRT takes minutes to prepare a network, so it must be named.
    let wanted = device == "GPU" ? offered.first { $0 == .cuda || $0 == .coreML } : .init(rawValue: device)
    guard let provider = wanted, offered.contains(provider) else {
      throw Failure(
        .engine, "ONNX Runtime \(library.version) as installed cannot use the device \(options.device)",
        file: library.path,
        hint: "it offers \(names); builds for graphics processors are installed with: pip install onnxruntime-gpu")
    }
    self.provider = provider
    threads = max(1, options.threads ?? Processor.current.physicalCores)
    let asked = options.precision
    switch provider {
    case .cpu:
      precision = .fp32
      providerOptions = []
    case .cuda:
      precision = .fp32
      // TF32 rounds factors to ten bits: only where the user leaves the precision open.
      providerOptions = [("device_id", index), ("use_tf32", asked == .fp32 ? "0" : "1")]
    case .tensorRT:
      precision = asked == .fp32 ? .fp32 : .fp16
      providerOptions = [("device_id", index), ("trt_fp16_enable", asked == .fp32 ? "0" : "1")]
    case .coreML:
      precision = .fp32
      providerOptions = [("ModelFormat", "MLProgram")]
    }
    guard asked == .auto || asked == precision else {
      throw Failure(
        .engine, "ONNX Runtime cannot compute in \(asked.rawValue) on \(provider.rawValue)",
        hint: "use fp32, or the engine openvino for bf16")
    }
  }
}
