extension Graph {
  /// What a node computes. Operations name their parameters; the arrays themselves live in `Network.weights`.
  public enum Operation: Sendable, Equatable {
    /// Cross-correlation, as everybody in the field means it: weight (out, in, kernel...).
    case convolution(Convolution)
    /// The transpose of a convolution, used to enlarge: weight (in, out, kernel...).
    case transposedConvolution(Convolution)
    /// Per sample and channel: (x - mean) / sqrt(variance + epsilon) * scale + shift, biased variance.
    case instanceNorm(Normalization)
    /// As `instanceNorm`, with mean and variance taken over groups of neighbouring channels.
    case groupNorm(Normalization, groups: Int)
    /// As `instanceNorm`, with the mean and variance that training has gathered.
    case batchNorm(Normalization, runningMean: String, runningVariance: String)
    /// x where x > 0, else slope * x. Slope 0 is the plain ReLU.
    case leakyReLU(slope: Double)
    /// The sum of two inputs of equal shape.
    case add
    /// All inputs after each other along the channel axis.
    case concatenation
    /// The mean of windows that touch but do not overlap (stride = window); a rest at the far end is dropped.
    case averagePooling(window: [Int])
    /// Enlargement by whole factors, half-pixel coordinates (PyTorch's `align_corners=False`).
    case upsampling(factors: [Int], Interpolation)
    /// Does nothing at inference; training zeroes whole channels with this probability.
    case dropout(probability: Double)

    public enum Interpolation: String, Sendable {
      /// Bilinear in two dimensions, trilinear in three.
      case linear
      case nearest
    }

    /// The numbers and parameter names of a convolution or transposed convolution. Lists have one entry per spatial axis.
    public struct Convolution: Sendable, Equatable {
      public var inputChannels: Int
      public var outputChannels: Int
      public var kernel: [Int]
      public var stride: [Int]
      /// Zeros on either side (of the result, in a transposed convolution: so much is cut off).
      public var padding: [Int]
      /// The parameter's name.
      public var weight: String
      /// The parameter's name, (out); nil for none.
      public var bias: String?

      public init(
        inputChannels: Int, outputChannels: Int, kernel: [Int], stride: [Int], padding: [Int], weight: String,
        bias: String?
      ) {
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.weight = weight
        self.bias = bias
      }
    }

    /// What instance, group and batch normalisation have in common.
    public struct Normalization: Sendable, Equatable {
      public var channels: Int
      public var epsilon: Double
      /// Parameter names, (channels); both nil for a normalisation without trained parameters.
      public var scale: String?
      public var shift: String?

      public init(channels: Int, epsilon: Double, scale: String?, shift: String?) {
        self.channels = channels
        self.epsilon = epsilon
        self.scale = scale
        self.shift = shift
      }
    }
  }
}

extension Graph.Operation {
  /// The parameters it uses, in the order in which PyTorch's modules list them.
  public var parameters: [Graph.Parameter] {
    switch self {
    case .convolution(let convolution):
      convolution.parameters(firstAxes: [convolution.outputChannels, convolution.inputChannels])
    case .transposedConvolution(let convolution):
      convolution.parameters(firstAxes: [convolution.inputChannels, convolution.outputChannels])
    case .instanceNorm(let norm), .groupNorm(let norm, _): norm.parameters
    case .batchNorm(let norm, let mean, let variance):
      norm.parameters + [
        .init(name: mean, shape: [norm.channels], role: .runningMean),
        .init(name: variance, shape: [norm.channels], role: .runningVariance),
      ]
    case .leakyReLU, .add, .concatenation, .averagePooling, .upsampling, .dropout: []
    }
  }
}

extension Graph.Operation.Convolution {
  fileprivate func parameters(firstAxes: [Int]) -> [Graph.Parameter] {
    var all = [Graph.Parameter(name: weight, shape: firstAxes + kernel, role: .weight)]
    if let bias { all.append(.init(name: bias, shape: [outputChannels], role: .bias)) }
    return all
  }
}

extension Graph.Operation.Normalization {
  fileprivate var parameters: [Graph.Parameter] {
    var all: [Graph.Parameter] = []
    if let scale { all.append(.init(name: scale, shape: [channels], role: .weight)) }
    if let shift { all.append(.init(name: shift, shape: [channels], role: .bias)) }
    return all
  }
}
