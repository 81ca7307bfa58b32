import Basics
import Checkpoints
import Networks

/// The names under which nnU-Net's networks register the same parameter more than once; its strict loading wants all.
enum ParameterAliases {
  /// A state dictionary as nnU-Net writes it: every name, second names sharing the tensor of the first.
  ///
  /// - Parameter normFollowsActivation: blocks are convolution, activation, normalisation.
  static func stateDictionary(
    _ parameters: [String: Tensor], of graph: Graph, normFollowsActivation: Bool
  ) throws -> [(name: String, tensor: Tensor)] {
    var encoder: [(String, Tensor)] = []
    var decoder: [(String, Tensor)] = []
    for parameter in graph.parameters {
      guard let tensor = parameters[parameter.name] else {
        throw Failure(.internalError, "the network has no parameter \(parameter.name)")
      }
      var entries = [(parameter.name, tensor)]
      if parameter.role == .runningVariance {
        // PyTorch counts batches beside the running statistics.
        let name = parameter.name.split(separator: ".").dropLast().joined(separator: ".")
        let zero = TensorStorage(count: 8) { _ in }
        entries.append(("\(name).num_batches_tracked", try Tensor(elementType: .int64, shape: [], storage: zero)))
      }
      for (name, tensor) in entries {
        let names = [name] + (alias(of: name, normFollowsActivation).map { [$0] } ?? [])
        for name in names {
          if name.hasPrefix("encoder.") { encoder.append((name, tensor)) } else { decoder.append((name, tensor)) }
        }
      }
    }
    return encoder + encoder.map { ("decoder." + $0.0, $0.1) } + decoder
  }

  /// `X.conv.weight` is also `X.all_modules.0.weight`, `X.norm.weight` also `X.all_modules.1.weight`.
  private static func alias(of name: String, _ normFollowsActivation: Bool) -> String? {
    var parts = name.split(separator: ".").map(String.init)
    guard parts.count >= 3 else { return nil }
    let layer = parts.count - 2
    switch parts[layer] {
    case "conv": parts[layer] = "all_modules.0"
    case "norm": parts[layer] = normFollowsActivation ? "all_modules.2" : "all_modules.1"
    default: return nil
    }
    return parts.joined(separator: ".")
  }
}
