import Basics
import Checkpoints
import Networks

/// Runs networks in plain scalar Swift: slow, obvious, needs no library. Other engines are tested against it.
///
/// Results of operations are stored as float32, sums are taken in float64.
public struct ReferenceEngine: Engine {
  public init() {}

  public var name: String { "reference" }
  public var version: String { "1" }
  public var devices: [String] { ["CPU"] }

  public func compile(
    _ network: Network, inputShape: [Int], options: CompileOptions
  ) throws -> any CompiledNetwork {
    try check(options)
    return try ReferenceNetwork(network, inputShape: inputShape)
  }

  /// Throws `engine` when another device or precision than the only one is asked for.
  func check(_ options: CompileOptions) throws {
    guard options.device == "CPU" else {
      throw Failure(.engine, "the reference engine has no device \(options.device)", hint: "its only device is CPU")
    }
    guard options.precision == .auto || options.precision == .fp32 else {
      throw Failure(.engine, "the reference engine cannot compute in \(options.precision.rawValue)", hint: "use fp32")
    }
  }
}

/// A network with its parameters unpacked and the shape of every value known.
final class ReferenceNetwork: CompiledNetwork {
  let graph: Graph
  let shapes: [[Int]]
  let parameters: [String: [Float]]
  let output: Graph.Value

  init(_ network: Network, inputShape: [Int]) throws {
    graph = network.graph
    shapes = try network.graph.shapes(forInput: inputShape)
    parameters = network.weights.mapValues { $0.floats() }
    guard let output = graph.outputs.first else { throw Failure(.internalError, "\(graph.name) has no output") }
    self.output = output
  }

  var inputShape: [Int] { shapes[0] }
  var outputShape: [Int] { shapes[output.index] }
  var precision: Precision { .fp32 }
  var engineName: String { "reference \(ReferenceEngine().version)" }
  var concurrentRequests: Int { 1 }

  func makeRequest() throws -> any InferenceRequest { ReferenceRequest(self) }
}

/// Computes in `start`; `wait` only hands out the result.
final class ReferenceRequest: InferenceRequest {
  let input: UnsafeMutableBufferPointer<Float>
  private let output: UnsafeMutableBufferPointer<Float>
  private let network: ReferenceNetwork

  init(_ network: ReferenceNetwork) {
    self.network = network
    input = .allocate(capacity: network.inputShape.reduce(1, *))
    input.initialize(repeating: 0)
    output = .allocate(capacity: network.outputShape.reduce(1, *))
    output.initialize(repeating: 0)
  }

  deinit {
    input.deallocate()
    output.deallocate()
  }

  func start() throws {
    let lastUses = network.graph.lastUses
    var values: [ReferenceArray?] = [ReferenceArray(shape: network.inputShape, values: Array(input))]
    for (index, node) in network.graph.nodes.enumerated() {
      let inputs = try node.inputs.map { input in
        guard let value = values[input.index] else {
          throw Failure(.internalError, "node \(node.name) reads a value that is gone")
        }
        return value
      }
      values.append(
        try node.operation.evaluate(inputs, shape: network.shapes[index + 1], parameters: network.parameters))
      for input in node.inputs where lastUses[input.index] == index { values[input.index] = nil }
    }
    guard let result = values[network.output.index] else {
      throw Failure(.internalError, "\(network.graph.name) did not compute its output")
    }
    _ = output.update(fromContentsOf: result.values)
  }

  func wait() throws -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(output) }
}
