import Basics
import Checkpoints
import Engines
import Networks

/// The optimiser's part of a checkpoint, as PyTorch's `state_dict` has it.
extension OptimizerState {
  /// - Parameters:
  ///   - rule: with the rate of the first epoch.
  ///   - rate: that of the present epoch.
  func pickled(of graph: Graph, rule: GradientDescent, rate: Double) throws -> PickleValue {
    let trained = graph.parameters.filter(\.role.isTrained)
    var state = PickleDictionary()
    for (index, parameter) in trained.enumerated() {
      var entries: [(String, PickleValue)] = []
      for name in rule.optimizer.arrayNames {
        if let tensor = arrays[name]?[parameter.name] { entries.append((name, .tensor(tensor))) }
      }
      guard !entries.isEmpty else { continue }
      if rule.optimizer.countsSteps {
        entries.insert(("step", try rule.optimizer.pickled(steps: steps[parameter.name] ?? 0)), at: 0)
      }
      try state.set(.int(index), .dictionary(PickleDictionary(entries)))
    }
    let group =
      [("lr", .float(rate)), ("weight_decay", .float(rule.decay))] + rule.optimizer.settings
      + [("initial_lr", .float(rule.rate)), ("params", .list(trained.indices.map { .int($0) }))]
    return .dictionary(
      PickleDictionary([
        ("state", .dictionary(state)), ("param_groups", .list([.dictionary(PickleDictionary(group))])),
      ]))
  }

  /// What a checkpoint has; nothing where it has nothing. Throws `badInput` when it belongs to another network.
  init(pickled value: PickleValue?, graph: Graph) throws {
    self.init()
    guard let entries = value?["state"]?.dictionary else { return }
    for (index, parameter) in graph.parameters.filter(\.role.isTrained).enumerated() {
      for (key, value) in entries[index]?.dictionary?.entries ?? [] {
        guard let name = key.string else { continue }
        if name == "step" {
          steps[parameter.name] = try TrainingCheckpoint.count(value, called: "step of \(parameter.name)")
        } else if let tensor = value.tensor {
          guard tensor.shape == parameter.shape else {
            throw Failure(
              .badInput, "\(name) of \(parameter.name) is \(tensor.shape) in the checkpoint, not \(parameter.shape)",
              hint: "the optimizer's state belongs to another network")
          }
          arrays[name, default: [:]][parameter.name] = tensor
        }
      }
    }
  }

  /// Throws `badInput` when this was left by another optimiser.
  func check(against optimizer: Optimizer) throws {
    guard let stranger = arrays.keys.first(where: { !optimizer.arrayNames.contains($0) }) else { return }
    throw Failure(
      .badInput, "the checkpoint was written by another optimizer, which kept \"\(stranger)\"",
      hint: "continue with the trainer that began the training")
  }
}

extension Optimizer {
  fileprivate func pickled(steps: Int) throws -> PickleValue {
    if case .adan = self { return .int(steps) }
    return .tensor(try Tensor(floats: [Float(steps)], shape: []))
  }

  /// What the group of parameters says of it beyond rate and decay.
  fileprivate var settings: [(String, PickleValue)] {
    let common: [(String, PickleValue)] = [
      ("maximize", .bool(false)), ("foreach", .none), ("differentiable", .bool(false)), ("fused", .none),
    ]
    switch self {
    case .nesterov(let momentum):
      return [("momentum", .float(momentum)), ("dampening", .int(0)), ("nesterov", .bool(true))] + common
    case .adam(let adam):
      return [
        ("betas", .tuple([.float(adam.beta1), .float(adam.beta2)])), ("eps", .float(adam.epsilon)),
        ("amsgrad", .bool(adam.keepsLargest)), ("capturable", .bool(false)),
        ("decoupled_weight_decay", .bool(adam.isDecoupled)),
      ] + common
    case .adan(let adan):
      return [
        ("betas", .tuple([.float(adan.a), .float(adan.b), .float(adan.c)])), ("eps", .float(adan.epsilon)),
        ("restart_cond", .none),
      ]
    }
  }
}
