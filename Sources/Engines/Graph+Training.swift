import Networks

extension Graph {
  /// Which nodes have to be computed for the `wanted` ones of the outputs.
  func nodesNeeded(for wanted: [Bool]) -> [Bool] {
    var isNeeded = [Bool](repeating: false, count: nodes.count + 1)
    for (output, isWanted) in zip(outputs, wanted) where isWanted { isNeeded[output.index] = true }
    for index in nodes.indices.reversed() where isNeeded[index + 1] {
      for input in nodes[index].inputs { isNeeded[input.index] = true }
    }
    return Array(isNeeded.dropFirst())
  }

  /// Whether each value depends on something that is trained; the gradients of others are not needed by anybody.
  var valuesWithGradient: [Bool] {
    var depends = [false]
    for node in nodes {
      depends.append(
        node.operation.parameters.contains { $0.role.isTrained } || node.inputs.contains { depends[$0.index] })
    }
    return depends
  }
}

/// Decides which channels dropout zeroes: the same ones for the same seed, so that training can be repeated.
struct ChannelDropout {
  private var state: UInt64

  init(seed: UInt64 = 0x5EED) { state = seed }

  /// For each of `count` channels 0 with this probability, else what keeps the mean: 1 / (1 - probability).
  mutating func factors(count: Int, probability: Double) -> [Float] {
    (0..<count).map { _ in
      uniform() < probability ? 0 : Float(1 / (1 - probability))
    }
  }

  /// SplitMix64, as a number in [0, 1).
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }
}
