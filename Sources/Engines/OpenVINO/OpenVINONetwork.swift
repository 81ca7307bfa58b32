import Basics
import COpenVINO
import CSystem
import Networks

/// A network that OpenVINO has prepared for one device and one shape.
final class OpenVINONetwork: CompiledNetwork, @unchecked Sendable {
  let inputShape: [Int]
  var outputShape: [Int] { outputShapes[0] }
  fileprivate let outputShapes: [[Int]]
  let isChannelsLast: Bool
  let precision: Precision
  let concurrentRequests: Int
  let notes: [String]

  var engineName: String { "openvino \(core.library.version)" }
  private let core: OpenVINOCore
  fileprivate let handle: OpaquePointer
  /// What the network's constants may still lie in.
  private let memory: AnyObject

  fileprivate var functions: OpaquePointer { core.library.functions }

  /// Compiles `model`. Throws `engine` when OpenVINO refuses it.
  convenience init(model: OpenVINOModel, core: OpenVINOCore, plan: OpenVINOPlan) throws {
    let library = core.library
    let weights = model.weights
    var source: OpaquePointer?
    try model.description.withUnsafeBytes { text in
      try library.check(
        mt_openvino_read_model(
          library.functions, core.handle, text.baseAddress?.assumingMemoryBound(to: CChar.self), text.count,
          UnsafeMutableRawPointer(mutating: weights.bytes.baseAddress), weights.bytes.count, &source),
        "read the network")
    }
    try self.init(source: source, core: core, memory: weights, plan: plan)
  }

  /// Compiles the network of a file, ONNX or OpenVINO's own. Throws `engine` when OpenVINO refuses it.
  convenience init(file: String, core: OpenVINOCore, plan: OpenVINOPlan) throws {
    let library = core.library
    var source: OpaquePointer?
    let sizes = plan.inputShape.map(Int64.init)
    try library.check(
      mt_openvino_read_file(library.functions, core.handle, file, sizes, sizes.count, &source),
      "read the network of \(file)")
    try self.init(source: source, core: core, memory: core, plan: plan)
  }

  /// - Parameter source: the network as it was read, which is freed.
  private convenience init(source: OpaquePointer?, core: OpenVINOCore, memory: AnyObject, plan: OpenVINOPlan) throws {
    let library = core.library
    defer { if let source { mt_openvino_model_free(library.functions, source) } }
    var compiled: OpaquePointer?
    let status = withCStrings(plan.properties.map(\.key)) { keys in
      withCStrings(plan.properties.map(\.value)) { values in
        mt_openvino_compile(
          library.functions, core.handle, source, plan.device, keys.baseAddress, values.baseAddress,
          plan.properties.count, &compiled)
      }
    }
    try library.check(
      status, "compile the network for \(plan.device) in \(plan.precision.rawValue)",
      hint: "microtome engines lists the devices")
    try self.init(compiled, core: core, memory: memory, plan: plan)
  }

  /// Takes up what `export` has written. Throws `engine` when OpenVINO refuses it.
  convenience init(stored: MappedFile, core: OpenVINOCore, plan: OpenVINOPlan) throws {
    // The stored network does not hold the settings it was compiled with.
    for (key, value) in plan.properties { try core.setProperty(key, of: plan.device, to: value) }
    let library = core.library
    let content = CompiledNetworkCache.content(of: stored)
    var compiled: OpaquePointer?
    try library.check(
      mt_openvino_import(
        library.functions, core.handle, content.baseAddress?.assumingMemoryBound(to: CChar.self), content.count,
        plan.device, &compiled), "take up the stored network")
    // OpenVINO has its own, reordered copy of the weights by now.
    stored.releasePages()
    try self.init(compiled, core: core, memory: stored, plan: plan)
  }

  private init(_ handle: OpaquePointer?, core: OpenVINOCore, memory: AnyObject, plan: OpenVINOPlan) throws {
    guard let handle else { throw Failure(.engine, "OpenVINO could not compile the network") }
    // Compiling takes and frees much memory in small pieces, which the C library would keep.
    mt_return_free_memory()
    let functions = core.library.functions
    func property(_ key: String) -> String? {
      OpenVINOLibrary.text { mt_openvino_compiled_property(functions, handle, key, $0, $1) }
    }
    let inForce = property("INFERENCE_PRECISION_HINT")
    let precision =
      Precision.allCases.first { $0 != .auto && OpenVINOPlan.openVINOName($0) == inForce } ?? plan.precision
    self.precision = precision
    notes =
      precision == plan.precision
      ? plan.notes
      : ["\(plan.device) computes in \(precision.rawValue) although \(plan.precision.rawValue) was asked for"]
    concurrentRequests = plan.requests ?? property("OPTIMAL_NUMBER_OF_INFER_REQUESTS").flatMap { Int($0) } ?? 1
    inputShape = plan.inputShape
    outputShapes = plan.outputShapes
    isChannelsLast = plan.isChannelsLast
    self.core = core
    self.handle = handle
    self.memory = memory
    // A stored network that is not what its name says shows here, where it can still be compiled anew.
    _ = try makeRequest()
  }

  deinit { mt_openvino_compiled_free(functions, handle) }

  func makeRequest() throws -> any InferenceRequest { try OpenVINORequest(self) }

  /// Writes the compiled network to a file. Throws `engine` when the device cannot do that.
  func export(to path: String) throws {
    try check(mt_openvino_export(functions, handle, path), "store the compiled network")
  }

  /// The answer's shape as it lies in memory.
  fileprivate func storedShape(ofOutput index: Int) -> [Int] {
    let shape = outputShapes[index]
    return isChannelsLast ? shape[..<1] + shape[2...] + [shape[1]] : shape
  }

  fileprivate func check(_ status: Int32, _ action: @autoclosure () -> String) throws {
    try core.library.check(status, action())
  }
}

/// A pass through an OpenVINO network that reads and writes OpenVINO's own tensors in place.
final class OpenVINORequest: InferenceRequest {
  let input: UnsafeMutableBufferPointer<Float>
  private let network: OpenVINONetwork
  private let handle: OpaquePointer
  private var isRunning = false

  fileprivate init(_ network: OpenVINONetwork) throws {
    var handle: OpaquePointer?
    try network.check(
      mt_openvino_request_create(network.functions, network.handle, &handle), "make an inference request")
    guard let handle else { throw Failure(.engine, "OpenVINO could not make an inference request") }
    do {
      input = try Self.values(network, mt_openvino_request_input, handle, network.inputShape)
      _ = try Self.values(
        network, { mt_openvino_request_output($0, $1, 0, $2) }, handle, network.storedShape(ofOutput: 0))
    } catch {
      mt_openvino_request_free(network.functions, handle)
      throw error
    }
    self.network = network
    self.handle = handle
  }

  deinit {
    if isRunning { mt_openvino_request_wait(network.functions, handle) }
    mt_openvino_request_free(network.functions, handle)
  }

  func start() throws {
    try network.check(mt_openvino_request_start(network.functions, handle), "start a forward pass")
    isRunning = true
  }

  func wait() throws -> UnsafeBufferPointer<Float> {
    isRunning = false
    try network.check(mt_openvino_request_wait(network.functions, handle), "complete a forward pass")
    return try output(0)
  }

  func output(_ index: Int) throws -> UnsafeBufferPointer<Float> {
    guard network.outputShapes.indices.contains(index) else {
      throw Failure(.internalError, "a network without output \(index)")
    }
    // Asked for anew: devices may give every result a place of its own.
    let getter = { mt_openvino_request_output($0, $1, index, $2) }
    return UnsafeBufferPointer(try Self.values(network, getter, handle, network.storedShape(ofOutput: index)))
  }

  private typealias TensorGetter = (OpaquePointer?, OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>?) -> Int32

  /// The memory of a request's tensor, which the request owns. Throws `engine` unless it has the expected shape.
  private static func values(
    _ network: OpenVINONetwork, _ getter: TensorGetter, _ request: OpaquePointer, _ shape: [Int]
  ) throws -> UnsafeMutableBufferPointer<Float> {
    var tensor: OpaquePointer?
    try network.check(getter(network.functions, request, &tensor), "hand out a tensor")
    defer { mt_openvino_tensor_free(network.functions, tensor) }
    var data: UnsafeMutableRawPointer?
    var byteCount = 0
    try network.check(mt_openvino_tensor_data(network.functions, tensor, &data, &byteCount), "hand out a tensor")
    var sizes = [Int64](repeating: 0, count: 8)
    var rank = 0
    try network.check(
      mt_openvino_tensor_shape(network.functions, tensor, &sizes, sizes.count, &rank), "tell a tensor's shape")
    let count = shape.reduce(1, *)
    guard let data, byteCount == count * 4, sizes.prefix(rank).elementsEqual(shape.map(Int64.init)) else {
      throw Failure(.engine, "OpenVINO's network has a tensor of \(byteCount) bytes where \(shape) was expected")
    }
    return UnsafeMutableBufferPointer(start: data.assumingMemoryBound(to: Float.self), count: count)
  }
}
