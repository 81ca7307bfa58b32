import Basics
import CTorch
import Checkpoints
import Networks

/// Runs and trains networks with the kernels of PyTorch's own library, without Python: on processors, on NVIDIA's
/// graphics processors and on Apple's.
public struct TorchEngine: TrainingEngine {
  let library: TorchLibrary
  /// For tests: also a processor runs what other devices run.
  var usesOwnKernels = true

  /// Opens the PyTorch library at `path` (`libtorch_cpu.so`). Throws `engine` when it cannot be used.
  public init(libraryPath path: String) throws { library = try TorchLibrary(path: path) }

  public var name: String { "torch" }
  public var version: String { library.version }
  /// The library file in use.
  public var path: String { library.path }
  /// "CPU", "CUDA:0", ..., "MPS".
  public var devices: [String] { library.devices }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    let (context, precision, notes) = try plan(options, isTraining: false)
    return try TorchNetwork(
      network.optimized(.all), inputShape: inputShape, context: context, precision: precision,
      engineName: "\(name) \(version)", notes: notes)
  }

  public func makeTrainable(
    _ graph: Graph, parameters: [String: Tensor], options: CompileOptions
  ) throws -> any TrainableNetwork {
    let (context, precision, notes) = try plan(options, isTraining: true)
    return try TorchTrainable(graph, parameters: parameters, context: context, precision: precision, notes: notes)
  }

  /// Decides on the device and the precision, and readies the library for them.
  private func plan(
    _ options: CompileOptions, isTraining: Bool
  ) throws -> (context: TorchContext, precision: Precision, notes: [String]) {
    let device = try TorchDevice(named: options.device, among: library.devices)
    var notes: [String] = []
    let precision: Precision
    switch options.precision {
    case .auto:
      // Half precision has too small a range for gradients unless the loss is scaled; bfloat16 has not.
      precision = device.kind != .cuda ? .fp32 : isTraining ? .bf16 : .fp16
    case let asked: precision = asked
    }
    if device.kind == .cpu {
      if precision == .fp16 || precision == .bf16 && !Processor.current.hasNativeBF16 {
        notes.append(
          "the processor has no \(precision.rawValue) arithmetic: it is imitated, which saves no time and costs accuracy"
        )
      }
      let threads = max(1, options.threads ?? Processor.current.physicalCores)
      library.useThreads(threads)
      if library.threads != threads {
        notes.append("PyTorch keeps to the \(library.threads) thread(s) it was started with in this process")
      }
      if isTraining { library.keepMemory() }
    }
    try library.prepare(device)
    // Our convolutions keep arrays in single precision and round only what they multiply.
    let trainsNatively = isTraining && usesOwnKernels && device.kind == .cpu && NativeEngine.isFast
    let element: TorchElement =
      switch precision {
      case .bf16: trainsNatively && NativeEngine.multipliesBF16 ? .float32 : .bfloat16
      case .fp16: .float16
      case .auto, .fp32: .float32
      }
    let trainer =
      trainsNatively
      ? NativeTrainer(isBF16: precision == .bf16, workers: library.threads) { [library] count, body in
        library.parallel(count, body)
      } : nil
    let context = TorchContext(
      library, device: device, element: element, usesOwnKernels: usesOwnKernels, trainer: trainer)
    return (context, precision, notes)
  }
}

/// A network whose parameters lie on a device, ready to run on arrays of one shape.
final class TorchNetwork: CompiledNetwork, @unchecked Sendable {
  let inputShape: [Int]
  let outputShape: [Int]
  let precision: Precision
  let engineName: String
  let notes: [String]
  /// PyTorch spreads every operation over all cores.
  let concurrentRequests = 1
  /// Only read while requests run.
  fileprivate let graph: Graph
  fileprivate let parameters: TorchParameters
  fileprivate let context: TorchContext

  init(
    _ network: Network, inputShape: [Int], context: TorchContext, precision: Precision, engineName: String,
    notes: [String]
  ) throws {
    self.engineName = engineName
    graph = network.graph
    self.inputShape = inputShape
    outputShape = try network.graph.outputShape(forInput: inputShape)
    self.context = context
    self.precision = precision
    self.notes = notes
    parameters = try TorchParameters(network.graph, context)
    try parameters.load(network.weights)
    try parameters.refresh()
  }

  func makeRequest() throws -> any InferenceRequest { TorchRequest(self) }
}

/// Computes in `start`, except that a graphics processor computes until `wait` asks for the result.
final class TorchRequest: InferenceRequest {
  private let network: TorchNetwork
  private let executor: TorchExecutor
  private let memory: HostMemory
  private let result: HostMemory
  private var output: TorchTensor?

  init(_ network: TorchNetwork) {
    self.network = network
    executor = TorchExecutor(network.graph, parameters: network.parameters, context: network.context)
    memory = HostMemory(count: network.inputShape.reduce(1, *))
    memory.values.initialize(repeating: 0)
    result = HostMemory(count: network.outputShape.reduce(1, *))
  }

  var input: UnsafeMutableBufferPointer<Float> { memory.values }

  func start() throws {
    let context = network.context
    // One channel lies the same way in every layout, so that the processor can read it where it is.
    let tensor: TorchTensor
    if let base = memory.values.baseAddress, context.usesOwnKernels, network.inputShape[1] == 1 {
      tensor = try context.library.view(base, network.inputShape, layout: context.layout, owner: memory)
    } else {
      tensor = try context.upload(UnsafeBufferPointer(memory.values), shape: network.inputShape)
    }
    let wanted = network.graph.outputs.indices.map { $0 == 0 }
    output = try executor.forward(tensor, wanted: wanted, isTraining: false)[0]
  }

  func wait() throws -> UnsafeBufferPointer<Float> {
    if let output { try network.context.download(output, to: result.values) }
    output = nil
    return UnsafeBufferPointer(result.values)
  }
}
