import Checkpoints

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How gradients change parameters. What an optimiser remembers has the names that PyTorch's checkpoints give it.
public enum Optimizer: Sendable, Equatable {
  /// Stochastic gradient descent with Nesterov momentum (`torch.optim.SGD`):
  /// g += decay p; b = g at first, else momentum b + g; p -= rate (g + momentum b).
  case nesterov(momentum: Double)
  /// `torch.optim.Adam` and `AdamW`: Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101.
  case adam(Adam)
  /// `adan_pytorch.Adan`: Xie et al., arXiv:2208.06677.
  case adan(Adan)

  /// m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g²; with c = 1 - beta^steps:
  /// p -= rate / c1 m / (sqrt(v / c2) + epsilon).
  public struct Adam: Sendable, Equatable {
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    /// Decay shrinks the parameters (AdamW) instead of being added to the gradient.
    public var isDecoupled = false
    /// The largest v there has been is divided by (AMSGrad).
    public var keepsLargest = false

    public init() {}
  }

  /// With d the change of the gradient since the step before, and nothing remembered of the very first gradient:
  /// m += a (g - m); v += b (d - v); n += c ((g + (1 - b) d)² - n);
  /// p = (p - rate (m^ + (1 - b) v^) / (sqrt(n^) + epsilon)) / (1 + rate decay), where x^ = x / (1 - (1 - share)^steps).
  public struct Adan: Sendable, Equatable {
    public var a = 0.02
    public var b = 0.08
    public var c = 0.01
    public var epsilon = 1e-8

    public init() {}
  }

  /// The arrays it keeps for each parameter.
  public var arrayNames: [String] {
    switch self {
    case .nesterov: ["momentum_buffer"]
    case .adam(let adam): ["exp_avg", "exp_avg_sq"] + (adam.keepsLargest ? ["max_exp_avg_sq"] : [])
    case .adan: ["prev_grad", "m", "v", "n"]
    }
  }

  /// What makes up for an average having begun as 0: 1 / (1 - kept^steps).
  static func correction(_ kept: Double, _ steps: Int) -> Double {
    1 / (1 - pow(kept, Double(steps)))
  }

  /// Whether it counts the steps each parameter has taken.
  public var countsSteps: Bool {
    if case .nesterov = self { return false }
    return true
  }
}

/// What an optimiser remembers of the steps it has taken.
public struct OptimizerState: Sendable {
  /// By the optimiser's name of the array, then by parameter; only of parameters that have been updated.
  public var arrays: [String: [String: Tensor]]
  /// The steps each parameter has taken, of optimisers that count them.
  public var steps: [String: Int]

  public init(arrays: [String: [String: Tensor]] = [:], steps: [String: Int] = [:]) {
    self.arrays = arrays
    self.steps = steps
  }

  /// That of gradient descent with momentum.
  public init(momenta: [String: Tensor]) { self.init(arrays: momenta.isEmpty ? [:] : ["momentum_buffer": momenta]) }

  /// The momentum buffers, by parameter.
  public var momenta: [String: Tensor] { arrays["momentum_buffer"] ?? [:] }
}

extension TrainableNetwork {
  /// Copies of the momentum buffers, by the name of their parameter.
  public func momenta() throws -> [String: Tensor] { try optimizerState().momenta }

  /// Replaces parameters and momentum buffers.
  public func restore(parameters: [String: Tensor], momenta: [String: Tensor]) throws {
    try restore(parameters: parameters, state: OptimizerState(momenta: momenta))
  }
}

/// One step of an optimiser: how far, and what is done to the gradients before.
public struct GradientDescent: Sendable {
  public var rate: Double
  public var optimizer: Optimizer
  /// The share of a parameter that counts as its gradient (weight decay).
  public var decay: Double
  /// Gradients are scaled by limit / (norm + 1e-6) where that is less than 1; nil never scales.
  public var normLimit: Double?
  /// Gradients are multiplied by this before anything else: 1 / the loss scale, where the loss was scaled so that
  /// half-precision gradients do not vanish.
  public var gradientFactor: Double

  public init(
    rate: Double, optimizer: Optimizer, decay: Double = 3e-5, normLimit: Double? = 12, gradientFactor: Double = 1
  ) {
    self.rate = rate
    self.optimizer = optimizer
    self.decay = decay
    self.normLimit = normLimit
    self.gradientFactor = gradientFactor
  }

  /// Stochastic gradient descent with Nesterov momentum.
  public init(
    rate: Double, momentum: Double = 0.99, decay: Double = 3e-5, normLimit: Double? = 12, gradientFactor: Double = 1
  ) {
    self.init(
      rate: rate, optimizer: .nesterov(momentum: momentum), decay: decay, normLimit: normLimit,
      gradientFactor: gradientFactor)
  }

  /// What gradients are multiplied with so that their norm stays within the limit.
  func clippingFactor(norm: Double) -> Double {
    guard let normLimit else { return 1 }
    return min(1, normLimit / (norm + 1e-6))
  }
}
