import Basics
import COpenVINO
import Checkpoints
import Networks

/// Runs networks with OpenVINO: the default on CPUs, and for Intel GPUs.
public struct OpenVINOEngine: Engine {
  let library: OpenVINOLibrary

  /// Opens the OpenVINO library at `path` (`libopenvino_c.so...`). Throws `engine` when it cannot be used.
  public init(libraryPath path: String) throws { library = try OpenVINOLibrary(path: path) }

  public var name: String { "openvino" }
  public var version: String { library.version }
  /// The library file in use.
  public var path: String { library.path }

  /// Asked of the library each time, which tries every device it has a plug-in for; empty when that fails.
  public var devices: [String] { (try? OpenVINOCore(library).devices()) ?? [] }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    let core = try OpenVINOCore(library)
    let network = network.optimized(.all)
    let plan = try OpenVINOPlan(network.graph, core: core, inputShape: inputShape, options: options)
    let model = try OpenVINOModel(
      network, inputShape: inputShape, statistics: plan.precision == .fp32 ? .inStages : .inOneChain,
      isChannelsLast: plan.isChannelsLast)
    let cache = options.cacheFolder.map { CompiledNetworkCache(folder: $0) }
    let key = cache.map { _ in Self.key(network, model, plan, library) }
    if let cache, let key, let stored = cache.load(key) {
      // Whatever is wrong with what an earlier run has left, the network can still be compiled.
      if let network = try? OpenVINONetwork(stored: stored, core: core, plan: plan) { return network }
      cache.remove(key)
    }
    let compiled = try OpenVINONetwork(model: model, core: core, plan: plan)
    if let cache, let key { cache.store(key) { try compiled.export(to: $0) } }
    return compiled
  }

  /// Everything that a compiled network depends on, as a name for it.
  private static func key(
    _ network: Network, _ model: OpenVINOModel, _ plan: OpenVINOPlan, _ library: OpenVINOLibrary
  ) -> String {
    var fingerprint = Fingerprint()
    model.description.withUnsafeBytes { fingerprint.add($0) }
    for parameter in network.graph.parameters {
      network.weights[parameter.name]?.withContiguousFloats { fingerprint.add(UnsafeRawBufferPointer($0)) }
    }
    fingerprint.add("OpenVINO " + library.build)
    fingerprint.add(Processor.current.name)
    for feature in Processor.current.features.sorted() { fingerprint.add(feature) }
    fingerprint.add(plan.deviceIdentity)
    for (key, value) in plan.properties { fingerprint.add("\(key)=\(value)") }
    return fingerprint.hexadecimal
  }
}

extension OpenVINOEngine: ModelFileEngine {
  public func compile(
    _ file: any NetworkFile, inputShape: [Int], outputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    _ = try file.segmentationPorts()
    if let file = file as? ONNXFile, file.isPrepared { throw refusal(of: file) }
    let core = try OpenVINOCore(library)
    let plan = try OpenVINOPlan(
      inputShape: inputShape, outputShapes: [outputShape], activationBytes: nil, core: core, options: options)
    return try OpenVINONetwork(file: file.path, core: core, plan: plan)
  }
}

/// What has been decided about a network before OpenVINO is asked to compile it.
struct OpenVINOPlan {
  var inputShape: [Int]
  /// The answer's, and those of what else is computed.
  var outputShapes: [[Int]]
  /// OpenVINO's name: "CPU", "GPU.0".
  var device: String
  /// Tells the device from others of the same name.
  var deviceIdentity: String
  /// Whether answers are taken with their channels last, as a processor's convolutions give them.
  var isChannelsLast = false
  /// What was asked for, with `auto` decided.
  var precision: Precision
  /// How many requests keep it busy; nil to ask the compiled network.
  var requests: Int?
  var properties: [(key: String, value: String)]
  var notes: [String] = []

  init(
    _ graph: Graph, core: OpenVINOCore, inputShape: [Int], options: CompileOptions
  ) throws {
    let shapes = try graph.shapes(forInput: inputShape)
    try self.init(
      inputShape: inputShape, outputShapes: graph.outputs.map { shapes[$0.index] },
      activationBytes: graph.cost(forInput: inputShape).peakActivationBytes, core: core, options: options)
    isChannelsLast = options.takesChannelsLast && device == "CPU"
  }

  /// - Parameter activationBytes: what the intermediate results of one pass take; nil when that is not known.
  init(
    inputShape: [Int], outputShapes: [[Int]], activationBytes: Int?, core: OpenVINOCore, options: CompileOptions
  ) throws {
    self.inputShape = inputShape
    self.outputShapes = outputShapes
    guard let outputShape = outputShapes.first else { throw Failure(.internalError, "a network without output") }
    device = options.device
    let isCPU = device == "CPU"
    deviceIdentity = isCPU ? device : core.property("FULL_DEVICE_NAME", of: device) ?? device
    let native = Self.nativePrecisions(core: core, device: device)
    switch options.precision {
    case .auto:
      precision = native.contains(.fp16) && !isCPU ? .fp16 : .fp32
    case let asked: precision = asked
    }
    if precision != .fp32, !native.contains(precision) {
      notes.append(
        "\(device) has no \(precision.rawValue) arithmetic: it is imitated, which saves no time and costs accuracy")
    }
    properties = [("INFERENCE_PRECISION_HINT", Self.openVINOName(precision))]
    guard isCPU else { return }
    let schedule = PassSchedule(
      threads: max(1, options.threads ?? Processor.current.physicalCores),
      activationBytes: activationBytes ?? .max,
      outputBytes: outputShape.reduce(4, *), expectedPasses: options.expectedPasses)
    requests = schedule.requests
    properties += [
      ("NUM_STREAMS", String(schedule.streams)),
      ("INFERENCE_NUM_THREADS", String(schedule.threads)),
      // Pinned threads of two processes would share the same few cores while others are idle.
      ("ENABLE_CPU_PINNING", "NO"),
    ]
  }

  /// The precisions that the device's arithmetic units work in.
  private static func nativePrecisions(core: OpenVINOCore, device: String) -> Set<Precision> {
    var precisions: Set<Precision> = [.fp32]
    // Asking the CPU device takes a few milliseconds; the processor's own list answers for those without bfloat16.
    if device == "CPU", !Processor.current.features.isEmpty, !Processor.current.hasNativeBF16,
      Processor.current.features.isDisjoint(with: ["avx512_fp16", "amx_fp16", "fphp"])
    {
      return precisions
    }
    let capabilities = (core.property("OPTIMIZATION_CAPABILITIES", of: device) ?? "").split(separator: " ")
    if capabilities.contains("FP16") { precisions.insert(.fp16) }
    if capabilities.contains("BF16"), device != "CPU" || Processor.current.hasNativeBF16 { precisions.insert(.bf16) }
    return precisions
  }

  static func openVINOName(_ precision: Precision) -> String {
    switch precision {
    case .auto, .fp32: "f32"
    case .bf16: "bf16"
    case .fp16: "f16"
    }
  }
}
