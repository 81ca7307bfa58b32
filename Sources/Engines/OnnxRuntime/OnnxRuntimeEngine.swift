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
    _ file: any NetworkFile, inputShape: [Int], outputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    guard let file = file as? ONNXFile else {
      throw Failure(.engine, "ONNX Runtime reads ONNX files only", file: file.path, hint: "choose the engine openvino")
    }
    var settings = try OnnxRuntimeSettings(options, library: library)
    if file.isPrepared {
      guard settings.provider == .tensorRT else { throw refusal(of: file) }
      try settings.accept(file, in: options.precision)
    }
    return try network(file, inputShape, outputShape, settings)
  }

  /// For TensorRT, whose engines belong to one kind of processor and one version of its library.
  public func prepare(
    _ file: ONNXFile, inputShape: [Int], outputShape: [Int], options: CompileOptions, to target: String
  ) throws -> Precision {
    var settings = try OnnxRuntimeSettings(options, library: library)
    guard settings.provider == .tensorRT else {
      throw Failure(.engine, "ONNX Runtime prepares networks for TENSORRT only, not for \(settings.provider.rawValue)")
    }
    settings.writePrepared(to: target)
    let precision = try network(file, inputShape, outputShape, settings).precision
    guard Path.isFile(target), try ONNXFile.read(target).isPrepared else {
      throw Failure(
        .engine, "ONNX Runtime \(version) did not write the network as TensorRT has prepared it",
        file: library.path, hint: "from 1.18 on it does, for networks that TensorRT runs as a whole")
    }
    return precision
  }

  private func network(
    _ file: ONNXFile, _ inputShape: [Int], _ outputShape: [Int], _ settings: OnnxRuntimeSettings
  ) throws -> OnnxRuntimeNetwork {
    let (input, output) = try file.segmentationPorts()
    // Other engines change the size of an axis that the file fixes; ONNX Runtime only does so where it is left open.
    if let batch = input.shape.first ?? nil, let wanted = inputShape.first, batch != wanted {
      throw Failure(
        .engine, "is made for \(batch) patches at a time, and ONNX Runtime cannot run it with \(wanted)",
        file: file.path, hint: "export it without --batch, or choose the engine openvino")
    }
    let axes = zip(input.axisNames, zip(input.shape, inputShape)).compactMap { name, sizes in
      sizes.0 == nil ? name.map { (name: $0, size: sizes.1) } : nil
    }
    return try OnnxRuntimeNetwork(
      .file(file.path), library: library, settings: settings, inputName: input.name, inputShape: inputShape,
      outputs: [(output.name, outputShape)], axes: axes)
  }
}
