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
  /// Copies of the momentum buffers, by the name of their parameter; only of those that have been updated.
  func momenta() throws -> [String: Tensor]
  /// Replaces parameters and momentum buffers.
  func restore(parameters: [String: Tensor], momenta: [String: Tensor]) throws
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

/// Stochastic gradient descent with Nesterov momentum, as PyTorch's SGD does it:
/// g += decay p; b = g at first, else momentum b + g; p -= rate (g + momentum b).
public struct GradientDescent: Sendable {
  public var rate: Double
  public var momentum: Double
  public var decay: Double
  /// Gradients are scaled by limit / (norm + 1e-6) where that is less than 1; nil never scales.
  public var normLimit: Double?
  /// Gradients are multiplied by this before anything else: 1 / the loss scale, where the loss was scaled so that
  /// half-precision gradients do not vanish.
  public var gradientFactor: Double

  public init(
    rate: Double, momentum: Double = 0.99, decay: Double = 3e-5, normLimit: Double? = 12, gradientFactor: Double = 1
  ) {
    self.rate = rate
    self.momentum = momentum
    self.decay = decay
    self.normLimit = normLimit
    self.gradientFactor = gradientFactor
  }
}
