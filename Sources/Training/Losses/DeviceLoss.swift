import Basics
import Engines

/// `SegmentationLoss` on a device: the passes over voxels run there, what follows from their sums is computed here.
struct DeviceLoss {
  let math: DeviceMath
  let rule: SegmentationLoss

  /// Whether the rule can be followed on a device. Finding the largest cross-entropies cannot.
  static func canEvaluate(_ rule: SegmentationLoss) -> Bool { rule.entropy != .largestTenth }

  /// One output as far as it can be worked on before the sums are known.
  private struct Output {
    let probabilities: DeviceArray
    let truth: DeviceTruth
    /// (N, C) each: probability where the channel is the label, probability, voxels of the label.
    let sums: [DeviceArray]
    /// (N) each: cross-entropy, valid voxels.
    let totals: [DeviceArray]
    /// What cross-entropy compares with.
    let target: DeviceArray
  }

  /// The loss of all outputs, and its gradients if wanted.
  ///
  /// - Parameters:
  ///   - logits: (N, C, Z, Y, X)
  ///   - truths: what the labels of each output say.
  ///   - weights: of each output.
  ///   - scale: what gradients alone are multiplied by, besides the weights.
  func evaluate(
    logits: [DeviceArray], truths: [DeviceTruth], weights: [Double], scale: Double, differentiates: Bool
  ) throws -> (loss: Double, gradients: [DeviceArray]) {
    // All sums are under way before any is waited for, and then all of them.
    let outputs = try zip(logits, truths).map(begin)
    var known = try math.values(of: outputs.flatMap { $0.sums + $0.totals })[...]
    var loss = 0.0
    var gradients: [DeviceArray] = []
    for (output, weight) in zip(outputs, weights) {
      let own = known.prefix(output.sums.count + output.totals.count)
      known = known.dropFirst(own.count)
      let sums = sums(Array(own), batch: output.probabilities.shape[0])
      let voxels = output.probabilities.count / rule.meaning.channelCount
      let terms = rule.terms(sums, voxels: voxels, weight: weight * scale)
      loss += weight * terms.value
      if differentiates { gradients.append(try gradient(output, terms)) }
    }
    return (loss, gradients)
  }

  private static let space = [2, 3, 4]

  private func begin(_ logits: DeviceArray, _ truth: DeviceTruth) throws -> Output {
    let channels = Double(rule.meaning.channelCount)
    let probabilities: DeviceArray
    var target = truth.members
    let entropy: DeviceArray
    switch rule.meaning {
    case .classes:
      let logs = try math.logSoftmax(logits, axis: 1)
      probabilities = try math.apply(.exp, to: logs)
      let smoothing = Double(rule.labelSmoothing)
      if smoothing > 0 {
        target = try math.sum(
          math.product(target, 1 - smoothing), truth.counts, factor: smoothing / channels)
      }
      entropy = try math.product(math.product(target, logs), -1)
    case .regions:
      probabilities = try math.apply(.sigmoid, to: logits)
      // max(z, 0) + log(1 + exp(-|z|)) where voxels count, minus z where they are members.
      let size = try math.product(math.apply(.abs, to: logits), -1)
      let soft = try math.sum(
        math.larger(logits, math.number(0)), math.apply(.log1p, to: math.apply(.exp, to: size)))
      entropy = try math.sum(
        math.product(soft, truth.counts), math.product(logits, truth.members), factor: -1)
    }
    func sum(_ array: DeviceArray) throws -> DeviceArray { try math.summary(.sum, of: array, axes: Self.space) }
    return Output(
      probabilities: probabilities, truth: truth,
      sums: [
        try sum(math.product(probabilities, truth.members)), try sum(math.product(probabilities, truth.counts)),
        try sum(truth.members),
      ],
      totals: [
        try math.summary(.sum, of: entropy, axes: [1] + Self.space), try sum(truth.counts),
      ], target: target)
  }

  /// - Parameter known: the numbers of an output's sums and totals.
  private func sums(_ known: [[Float]], batch: Int) -> Sums {
    var sums = Sums(batch: batch, values: [Double](repeating: 0, count: batch * rule.meaning.channelCount * 3))
    for (kind, values) in known.prefix(3).enumerated() {
      for (index, value) in values.enumerated() { sums.values[index * 3 + kind] = Double(value) }
    }
    sums.entropy = known[3].reduce(0) { $0 + Double($1) }
    sums.valid = Int(known[4].reduce(0) { $0 + Double($1) })
    return sums
  }

  /// By the logits.
  private func gradient(_ output: Output, _ terms: SegmentationLoss.Terms) throws -> DeviceArray {
    let p = output.probabilities
    let shape = [p.shape[0], p.shape[1], 1, 1, 1]
    // By the probabilities, of the Dice term.
    let byProbability = try math.sum(
      math.product(output.truth.members, math.array(terms.inside, shape)),
      math.product(output.truth.counts, math.array(terms.everywhere, shape)))
    let weighted = try math.product(p, byProbability)
    let dice: DeviceArray
    switch rule.meaning {
    case .classes:
      let mean = try math.summary(.sum, of: weighted, axes: [1])
      dice = try math.sum(weighted, math.product(p, mean), factor: -1)
    case .regions: dice = try math.sum(weighted, math.product(p, weighted), factor: -1)
    }
    let entropy = try math.sum(math.product(p, output.truth.counts), output.target, factor: -1)
    return try math.sum(dice, entropy, factor: terms.entropyWeight)
  }
}
