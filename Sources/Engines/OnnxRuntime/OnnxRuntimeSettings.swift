import Basics
import Networks

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

  /// What has to be opened before it is added.
  var needs: NvidiaLibraries? {
    switch self {
    case .cpu, .coreML: nil
    case .cuda: .cuda
    case .tensorRT: .tensorRT
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

extension OnnxRuntimeSettings {
  /// Lets the provider write what it has made of the network into one file, by ONNX Runtime's names for this
  /// (onnxruntime_session_options_config_keys.h). They must be set before the provider is added.
  mutating func writePrepared(to path: String) {
    entries += [
      (key: "ep.context_enable", value: "1"), (key: "ep.context_file_path", value: path),
      (key: "ep.context_embed_mode", value: "1"),
    ]
  }

  /// A prepared network computes in what it was prepared for. Throws `engine` when another precision is asked for.
  mutating func accept(_ prepared: ONNXFile, in asked: Precision) throws {
    guard let own = prepared.metadata["precision"].flatMap(Precision.init(rawValue:)) else { return }
    guard asked == .auto || asked == own else {
      throw Failure(
        .engine, "was prepared to compute in \(own.rawValue), not in \(asked.rawValue)", file: prepared.path)
    }
    precision = own
  }
}
