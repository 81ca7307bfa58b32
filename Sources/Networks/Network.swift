import Basics
import Checkpoints

/// A network with its trained parameters: all an engine needs to run it.
public struct Network: Sendable {
  public let graph: Graph
  /// Parameter tensors by their `state_dict` name, exactly one for each of `graph.parameters`, shapes checked.
  public let weights: [String: Tensor]

  /// Pairs a graph with the content of a checkpoint.
  ///
  /// Names may carry the prefixes that PyTorch's wrappers add and may occur in the duplicates the reference writes;
  /// deep-supervision heads and batch counters are left out. Throws `badInput` naming the first parameter, in
  /// `state_dict` order, that is missing or has another shape, or else the first that the graph does not know.
  public init(graph: Graph, weights: [String: Tensor]) throws {
    let given = ParameterNames.canonical(weights)
    var matched: [String: Tensor] = [:]
    matched.reserveCapacity(graph.parameters.count)
    for parameter in graph.parameters {
      guard let tensor = given[parameter.name] else {
        throw Self.missing(parameter, of: graph, given: given)
      }
      guard tensor.shape == parameter.shape else {
        throw Failure(
          .badInput,
          "\(parameter.name) is \(Self.text(tensor.shape)) in the checkpoint; the plans ask for "
            + Self.text(parameter.shape),
          hint: "the weights belong to another configuration, or plans.json was changed after training")
      }
      matched[parameter.name] = tensor
    }
    let strangers = given.keys.filter { name in
      matched[name] == nil && !name.hasSuffix(".num_batches_tracked")
        && !graph.unusedParameterPrefixes.contains(where: name.hasPrefix)
    }
    guard let first = strangers.min() else {
      self.graph = graph
      self.weights = matched
      return
    }
    let others = strangers.count > 1 ? " and \(strangers.count - 1) more" : ""
    throw Failure(
      .badInput, "the checkpoint contains \(first)\(others), which a \(graph.name) of these plans does not have",
      hint: "the weights belong to another network, or their trainer changed the architecture")
  }

  /// For changes of the graph that are known to leave the weights complete.
  init(graph: Graph, matchedWeights: [String: Tensor]) {
    self.graph = graph
    weights = matchedWeights
  }

  private static func missing(_ parameter: Graph.Parameter, of graph: Graph, given: [String: Tensor]) -> Failure {
    guard graph.parameters.contains(where: { given[$0.name] != nil }) else {
      let example = given.keys.min().map { ", but for example \($0)" } ?? ""
      return Failure(
        .badInput, "the checkpoint contains no parameter of a \(graph.name)\(example)",
        hint: "it was trained with a network that is not supported, or it is not a network's checkpoint")
    }
    return Failure(
      .badInput, "the checkpoint lacks \(parameter.name) \(text(parameter.shape)), which the plans ask for",
      hint: "the weights belong to another configuration, or plans.json was changed after training")
  }

  private static func text(_ shape: [Int]) -> String { "(\(shape.map(String.init).joined(separator: ", ")))" }
}
