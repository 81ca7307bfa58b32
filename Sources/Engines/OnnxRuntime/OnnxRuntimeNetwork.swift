import Basics
import COnnxRuntime
import CSystem
import Dispatch
import Networks

/// A network that ONNX Runtime has prepared for one device and one shape.
final class OnnxRuntimeNetwork: CompiledNetwork, @unchecked Sendable {
  let inputShape: [Int]
  let outputShape: [Int]
  let precision: Precision
  let concurrentRequests: Int

  var engineName: String { "onnxruntime \(library.version)" }
  let library: OnnxRuntimeLibrary
  fileprivate let session: OpaquePointer
  fileprivate let inputName: String
  fileprivate let outputs: [(name: String, shape: [Int])]
  /// Passes run one after the other, each on all threads, while results are taken out of the one before.
  fileprivate let queue = DispatchQueue(label: "microtome.onnxruntime")

  /// Where the model is.
  enum Source {
    case bytes([UInt8])
    case file(String)
  }

  /// - Parameters:
  ///   - outputs: what is to be computed, the answer first.
  ///   - axes: sizes for the axes that the model gives names.
  ///
  /// Throws `engine` when ONNX Runtime refuses the model.
  init(
    _ source: Source, library: OnnxRuntimeLibrary, settings: OnnxRuntimeSettings, inputName: String,
    inputShape: [Int], outputs: [(name: String, shape: [Int])], axes: [(name: String, size: Int)] = []
  ) throws {
    guard let answer = outputs.first else { throw Failure(.internalError, "a network without output") }
    self.library = library
    self.inputName = inputName
    self.inputShape = inputShape
    self.outputs = outputs
    outputShape = answer.shape
    precision = settings.precision
    concurrentRequests = settings.requests
    session = try Self.makeSession(source, library: library, settings: settings, axes: axes)
    mt_return_free_memory()
  }

  deinit { mt_ort_session_free(library.functions, session) }

  func makeRequest() throws -> any InferenceRequest { try OnnxRuntimeRequest(self) }

  private static func makeSession(
    _ source: Source, library: OnnxRuntimeLibrary, settings: OnnxRuntimeSettings, axes: [(name: String, size: Int)]
  ) throws -> OpaquePointer {
    let api = library.functions
    let action = "set up a session for \(settings.provider.rawValue)"
    var options: OpaquePointer?
    try library.check(
      mt_ort_options_create(api, Int32(clamping: settings.threads), settings.keepsMemory ? 1 : 0, &options), action)
    defer { mt_ort_options_free(api, options) }
    for (key, value) in settings.entries { try library.check(mt_ort_options_set(api, options, key, value), action) }
    for (name, size) in axes { try library.check(mt_ort_options_set_axis(api, options, name, Int64(size)), action) }
    if settings.provider != .cpu {
      settings.provider.needs?.open(forLibrary: library.path)
      let status = withCStrings(settings.providerOptions.map(\.key)) { keys in
        withCStrings(settings.providerOptions.map(\.value)) { values in
          mt_ort_options_add_provider(
            api, options, settings.provider.shortName, keys.baseAddress, values.baseAddress, keys.count)
        }
      }
      try library.check(status, action, hint: "are its driver and libraries installed?")
    }
    var session: OpaquePointer?
    let status: OpaquePointer? =
      switch source {
      case .file(let path):
        mt_ort_session_create(api, library.environment, options, path, nil, 0, &session)
      case .bytes(let bytes):
        bytes.withUnsafeBytes {
          mt_ort_session_create(api, library.environment, options, nil, $0.baseAddress, $0.count, &session)
        }
      }
    try library.check(status, "compile the network for \(settings.provider.rawValue)")
    guard let session else { throw Failure(.engine, "ONNX Runtime could not compile the network") }
    return session
  }
}

/// A forward pass into memory of ours: ONNX Runtime reads the input and writes the outputs where they are.
final class OnnxRuntimeRequest: InferenceRequest, @unchecked Sendable {
  private let network: OnnxRuntimeNetwork
  private let inputMemory: HostMemory
  private let outputMemory: [HostMemory]
  private let inputValue: OpaquePointer
  private let outputValues: [OpaquePointer?]
  private let done = DispatchSemaphore(value: 0)
  private var isRunning = false
  private var failure: Failure?

  var input: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: inputMemory.values[..<network.inputShape.reduce(1, *)])
  }

  init(_ network: OnnxRuntimeNetwork) throws {
    self.network = network
    inputMemory = HostMemory(count: network.inputShape.reduce(1, *))
    outputMemory = network.outputs.map { HostMemory(count: $0.shape.reduce(1, *)) }
    var values: [OpaquePointer] = []
    do {
      values.append(try Self.tensor(inputMemory, network.inputShape, network.library))
      for (memory, output) in zip(outputMemory, network.outputs) {
        values.append(try Self.tensor(memory, output.shape, network.library))
      }
    } catch {
      for value in values { mt_ort_value_free(network.library.functions, value) }
      throw error
    }
    inputValue = values[0]
    outputValues = Array(values.dropFirst())
  }

  deinit {
    if isRunning { done.wait() }
    for value in [inputValue] + outputValues { mt_ort_value_free(network.library.functions, value) }
  }

  func start() throws {
    isRunning = true
    // The request cannot go before `wait` or `deinit` has seen the end of the pass.
    let pass = Unmanaged.passUnretained(self)
    let shared = Shared(pass)
    network.queue.async { shared.value._withUnsafeGuaranteedRef { $0.run() } }
  }

  private func run() {
    let functions = network.library.functions
    var outputs = outputValues
    let status = withCStrings(network.outputs.map(\.name)) { names in
      mt_ort_run(functions, network.session, network.inputName, inputValue, names.baseAddress, names.count, &outputs)
    }
    do {
      try network.library.check(status, "complete a forward pass")
      failure = nil
    } catch {
      failure = error as? Failure
    }
    done.signal()
  }

  func wait() throws -> UnsafeBufferPointer<Float> {
    try end()
    return try output(0)
  }

  private func end() throws {
    guard isRunning else { return }
    done.wait()
    isRunning = false
    if let failure { throw failure }
  }

  func output(_ index: Int) throws -> UnsafeBufferPointer<Float> {
    guard outputMemory.indices.contains(index) else {
      throw Failure(.internalError, "a network without output \(index)")
    }
    let count = network.outputs[index].shape.reduce(1, *)
    return UnsafeBufferPointer(UnsafeMutableBufferPointer(rebasing: outputMemory[index].values[..<count]))
  }

  private static func tensor(_ memory: HostMemory, _ shape: [Int], _ library: OnnxRuntimeLibrary) throws
    -> OpaquePointer
  {
    var value: OpaquePointer?
    let sizes = shape.map(Int64.init)
    try library.check(
      mt_ort_tensor_create(
        library.functions, memory.values.baseAddress, shape.reduce(1, *), sizes, sizes.count, &value), "make a tensor")
    guard let value else { throw Failure(.engine, "ONNX Runtime could not make a tensor") }
    return value
  }
}
