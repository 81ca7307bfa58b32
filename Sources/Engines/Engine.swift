import Basics
import Networks

/// The arithmetic a network runs in.
public enum Precision: String, Sendable, CaseIterable {
  /// The fastest precision that keeps the promise on accuracy: fp32 on processors, where labels are then the original
  /// tool's to the voxel, and fp16 on graphics processors, as the original tool does. The engine says which it took.
  case auto
  case fp32
  case bf16
  case fp16
}

/// How a network is to be compiled.
public struct CompileOptions: Sendable {
  /// The device's name as the engine lists it.
  public var device: String
  public var precision: Precision
  /// The number of threads; nil uses every core.
  public var threads: Int?
  /// Where compiled networks are kept between runs; nil keeps none.
  public var cacheFolder: String?
  /// How many forward passes will be asked for, when that is known. A few are each spread over all cores, many run
  /// side by side.
  public var expectedPasses: Int?
  /// Whether answers may come with the axes (N, spatial axes..., C) where that saves the engine work.
  public var takesChannelsLast: Bool

  public init(
    device: String = "CPU", precision: Precision = .auto, threads: Int? = nil, cacheFolder: String? = nil,
    expectedPasses: Int? = nil, takesChannelsLast: Bool = false
  ) {
    self.device = device
    self.precision = precision
    self.threads = threads
    self.cacheFolder = cacheFolder
    self.expectedPasses = expectedPasses
    self.takesChannelsLast = takesChannelsLast
  }
}

/// A library that runs networks. Engines know networks and tensors, never images.
public protocol Engine: Sendable {
  /// "openvino", "reference", ...
  var name: String { get }
  /// The library's own version.
  var version: String { get }
  /// The devices it can use, by the names `CompileOptions.device` takes.
  var devices: [String] { get }

  /// Prepares `network` for one fixed input shape (N, C, spatial axes...).
  ///
  /// Throws a `Failure` of kind `engine` when the library refuses the network, the device or the precision.
  func compile(_ network: Network, inputShape: [Int], options: CompileOptions) throws -> any CompiledNetwork
}

/// An engine that also runs networks it is only given as a file.
public protocol ModelFileEngine: Engine {
  /// Prepares the network of a file for one fixed shape of input and answer, (N, C, spatial axes...).
  ///
  /// Throws `badInput` for a file that is no segmentation network, and `engine` when the library refuses it or does not
  /// read files of this kind.
  func compile(
    _ file: any NetworkFile, inputShape: [Int], outputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork

  /// Does ahead of time what a device that compiles for minutes does before its first pass, and writes the result: an ONNX
  /// file, at `target`, that wraps what this kind of device runs.
  ///
  /// - Returns: what the network will compute in.
  ///
  /// Throws `badInput` for a file that is no segmentation network, and `engine` when the device or the library cannot.
  func prepare(
    _ file: ONNXFile, inputShape: [Int], outputShape: [Int], options: CompileOptions, to target: String
  ) throws -> Precision
}

extension ModelFileEngine {
  public func prepare(
    _ file: ONNXFile, inputShape: [Int], outputShape: [Int], options: CompileOptions, to target: String
  ) throws -> Precision {
    throw Failure(.engine, "\(name) does not prepare networks ahead of time", hint: "choose the engine onnxruntime")
  }

  /// Why a prepared network is not run.
  func refusal(of prepared: ONNXFile) -> Failure {
    Failure(
      .engine, "wraps a network prepared for TensorRT, which nothing else runs", file: prepared.path,
      hint: "run it with the engine onnxruntime on the device tensorrt, or export the network as ONNX")
  }
}

/// A network ready to run. Requests made from it may run at the same time.
public protocol CompiledNetwork: AnyObject, Sendable {
  /// (N, C, spatial axes...)
  var inputShape: [Int] { get }
  /// (N, K, spatial axes...)
  var outputShape: [Int] { get }
  /// Whether the answer lies in memory as (N, spatial axes..., K), which `CompileOptions.takesChannelsLast` allows.
  var isChannelsLast: Bool { get }
  /// What it runs in; never `.auto`.
  var precision: Precision { get }
  /// How many requests in flight keep the device busy.
  var concurrentRequests: Int { get }
  /// What runs it: an engine's name and version.
  var engineName: String { get }
  /// What the user should know about how it runs, as sentences: a precision that is only emulated, for example.
  var notes: [String] { get }

  func makeRequest() throws -> any InferenceRequest
}

extension CompiledNetwork {
  public var isChannelsLast: Bool { false }
  public var notes: [String] { [] }
}

/// One forward pass with its own input and output memory: fill `input`, `start`, `wait`, read, and again.
///
/// A request is used by one thread at a time.
public protocol InferenceRequest: AnyObject {
  /// Contiguous, of the compiled network's input shape. Write only while the request is not running.
  var input: UnsafeMutableBufferPointer<Float> { get }
  /// Begins the forward pass and returns at once.
  func start() throws
  /// Returns when the pass has ended. The result has the compiled network's output shape, its axes in the order that
  /// `isChannelsLast` tells, and is valid until the next `start`.
  func wait() throws -> UnsafeBufferPointer<Float>
  /// The result of the graph's output `index` after `wait`, valid as long; 0 is what `wait` returns.
  func output(_ index: Int) throws -> UnsafeBufferPointer<Float>
}

extension InferenceRequest {
  /// For engines that compute the first output only.
  public func output(_ index: Int) throws -> UnsafeBufferPointer<Float> {
    guard index == 0 else { throw Failure(.engine, "the engine computes one output only") }
    return try wait()
  }
}
