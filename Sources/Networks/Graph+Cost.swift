import Basics

/// What one forward pass of a network takes, counted from its graph.
public struct Cost: Sendable, Equatable {
  /// Floating-point operations of all convolutions, two per multiplication and addition. Everything else is bound by
  /// memory, not arithmetic, and counts nothing.
  public var operations: Int
  /// The number of trained values.
  public var parameters: Int
  /// Bytes of all results together, float32.
  public var activationBytes: Int
  /// Bytes of the input and the results that exist at the worst moment, when each is freed after its last use.
  public var peakActivationBytes: Int
}

extension Graph {
  /// The cost of a pass for an input of `shape` (N, C, spatial axes...). Throws `badInput` as `shapes(forInput:)` does.
  public func cost(forInput shape: [Int]) throws -> Cost {
    let shapes = try shapes(forInput: shape)
    let bytes = shapes.map { $0.reduce(4, *) }
    let lastUses = lastUses
    var cost = Cost(
      operations: 0, parameters: parameterCount, activationBytes: 0, peakActivationBytes: 0)
    var live = bytes[0]
    for (index, node) in nodes.enumerated() {
      cost.operations += operations(of: node, shapes: shapes, result: shapes[index + 1])
      cost.activationBytes += bytes[index + 1]
      live += bytes[index + 1]
      cost.peakActivationBytes = max(cost.peakActivationBytes, live)
      for input in Set(node.inputs) where lastUses[input.index] == index { live -= bytes[input.index] }
      if lastUses[index + 1] < 0 { live -= bytes[index + 1] }
    }
    return cost
  }

  /// The number of values training changes.
  public var parameterCount: Int { parameters.filter(\.role.isTrained).reduce(0) { $0 + $1.count } }

  private func operations(of node: Node, shapes: [[Int]], result: [Int]) -> Int {
    switch node.operation {
    case .convolution(let convolution):
      // Every voxel of the result gathers one kernel from every input channel.
      2 * result.reduce(1, *) * convolution.inputChannels * convolution.kernel.reduce(1, *)
    case .transposedConvolution(let convolution):
      // Every voxel of the input is spread over one kernel in every output channel.
      2 * shapes[node.inputs[0].index].reduce(1, *) * convolution.outputChannels * convolution.kernel.reduce(1, *)
    default: 0
    }
  }
}

extension Cost: CustomStringConvertible {
  /// "409 GFLOP, 31.2 M parameters, activations 2554 MiB in all, 506 MiB at once"
  public var description: String {
    "\((Double(operations) / 1e9).brief) GFLOP, \((Double(parameters) / 1e6).brief) M parameters, activations "
      + "\((Double(activationBytes) / 0x1p20).brief) MiB in all, \((Double(peakActivationBytes) / 0x1p20).brief) MiB at once"
  }
}
