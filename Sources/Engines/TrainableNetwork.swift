import Checkpoints
import Networks

/// An engine that can also change a network's parameters.
public protocol TrainingEngine: Engine {
  /// Takes a graph and its first parameters onto the device.
  ///
  /// - Parameters:
  ///   - graph: with all its deep-supervision outputs.
  ///   - parameters: single precision, one for each of `graph.parameters`.
  ///
  /// Throws a `Failure` of kind `engine` when the library refuses the graph, the device or the precision.
  func makeTrainable(
    _ graph: Graph, parameters: [String: Tensor], options: CompileOptions
  ) throws -> any TrainableNetwork
}

/// A network whose parameters an engine holds and changes. Used by one thread at a time.
public protocol TrainableNetwork: AnyObject {
  var graph: Graph { get }
  /// What it runs in; never `.auto`.
  var precision: Precision { get }
  /// What the user should know about how it runs, as sentences.
  var notes: [String] { get }

  /// Runs the network and, with `isTraining`, keeps what `backward` needs.
  ///
  /// - Parameters:
  ///   - input: contiguous, single precision.
  ///   - shape: (N, C, spatial axes...)
  ///   - wanted: which of `graph.outputs` are computed; what only others need is left out.
  /// - Returns: an array for each of `graph.outputs`, nil where it was not wanted; valid until the next call.
  func forward(
    _ input: UnsafeBufferPointer<Float>, shape: [Int], wanted: [Bool], isTraining: Bool
  ) throws -> [HostArray?]

  /// Names the random numbers that decide which channels dropout zeroes from now on.
  func seedDropout(_ seed: UInt64)

  /// Computes the gradient of every parameter from those of the outputs of the last `forward`, replacing earlier ones.
  ///
  /// - Parameter gradients: contiguous, one for each of `graph.outputs`; nil stands for zero. Parameters that no output
  ///   with a gradient depends on get none, so that `update` leaves them alone.
  func backward(_ gradients: [UnsafeBufferPointer<Float>?]) throws

  /// Clips the gradients to a total L2 norm and takes one step.
  ///
  /// - Returns: the norm before clipping; when it is not finite, nothing has been changed.
  @discardableResult
  func update(_ rule: GradientDescent) throws -> Double

  /// Copies of the parameters as they are now, by name.
  func parameters() throws -> [String: Tensor]
  /// Copies of what the optimiser remembers of the parameters that have been updated.
  func optimizerState() throws -> OptimizerState
  /// Replaces parameters and what the optimiser remembers. Throws `badInput` when they do not belong to the network.
  func restore(parameters: [String: Tensor], state: OptimizerState) throws
}

/// A network whose inputs, outputs and gradients need not leave its device.
public protocol DeviceTrainableNetwork: TrainableNetwork {
  /// What can be computed on the device.
  var math: DeviceMath { get }

  /// As `forward` with arrays in memory; outputs are contiguous and in single precision.
  func forward(_ input: DeviceArray, wanted: [Bool], isTraining: Bool) throws -> [DeviceArray?]

  /// As `backward` with arrays in memory.
  func backward(_ gradients: [DeviceArray?]) throws
}

/// An array in memory that somebody else owns: contiguous, single precision.
public struct HostArray {
  public let shape: [Int]
  public let values: UnsafeBufferPointer<Float>

  public init(shape: [Int], values: UnsafeBufferPointer<Float>) {
    self.shape = shape
    self.values = values
  }
}
