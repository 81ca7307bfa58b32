import Basics
import Networks

extension TorchExecutor {
  /// Computes the gradients of the parameters from those of the outputs, and forgets what the last `forward` has kept,
  /// step by step.
  func backward(_ gradients: [TorchTensor?]) throws {
    guard records.count == steps.count else {
      throw Failure(.internalError, "\(graph.name) has not been run forward for training")
    }
    defer { records = [] }
    try parameters.clearGradients()
    let wantsGradient = graph.valuesWithGradient
    var pending = [TorchTensor?](repeating: nil, count: graph.nodes.count + 1)
    for (output, gradient) in zip(graph.outputs, gradients) {
      guard let gradient else { continue }
      try context.accumulate(&pending[output.index], gradient)
    }
    for (index, step) in steps.enumerated().reversed() {
      let record = records[index].take()
      guard var gradient = pending[step.result].take(), wantsGradient[step.result] else { continue }
      let inputs = step.node.inputs.map(\.index)
      let found = try gradientsOfInputs(
        step, &gradient, record, wanted: inputs.map { wantsGradient[$0] }, inputShapes: inputs.map { shapes[$0] })
      for (input, gradient) in zip(inputs, found) where wantsGradient[input] {
        if let gradient { try context.accumulate(&pending[input], gradient) }
      }
    }
  }

  /// The gradients of a step's inputs; those of its parameters are added where they belong.
  private func gradientsOfInputs(
    _ step: TorchStep, _ gradient: inout TorchTensor, _ record: Record?, wanted: [Bool], inputShapes: [[Int]]
  ) throws -> [TorchTensor?] {
    switch (step.node.operation, record) {
    case (.convolution(let convolution), .input(let input)?):
      return try [
        backward(step, gradient, convolution, input: input, isTransposed: false, wantsInput: wanted[0])
      ]
    case (.transposedConvolution(let convolution), .input(let input)?):
      return try [
        backward(step, gradient, convolution, input: input, isTransposed: true, wantsInput: wanted[0])
      ]
    case (.instanceNorm(let norm), .normalization(let record)?):
      return try [backward(&gradient, norm, .groups(norm.channels), [], record, slope: step.slope)]
    case (.groupNorm(let norm, let groups), .normalization(let record)?):
      return try [backward(&gradient, norm, .groups(groups), [], record, slope: step.slope)]
    case (.batchNorm(let norm, let mean, let variance), .normalization(let record)?):
      return try [backward(&gradient, norm, .batch, [mean, variance], record, slope: step.slope)]
    case (.leakyReLU(let slope), .result(let result)?):
      return try [context.activationGradient(&gradient, result: result, slope: slope)]
    case (.add, let record):
      if case .result(let result)? = record {
        gradient = try context.activationGradient(&gradient, result: result, slope: step.slope)
      }
      return [gradient, gradient]
    case (.concatenation, _):
      var first = 0
      return try zip(inputShapes, wanted).map { shape, isWanted in
        defer { first += shape[1] }
        return isWanted ? try context.channels(of: gradient, from: first, count: shape[1]) : nil
      }
    case (.averagePooling(let window), _):
      return try [context.poolingGradient(gradient, inputShape: inputShapes[0], window: window)]
    case (.upsampling(_, let interpolation), _):
      return try [context.enlargementGradient(gradient, inputShape: inputShapes[0], interpolation)]
    case (.dropout, .factors(let factors)?): return try [context.scaled(gradient, by: factors)]
    default: throw Failure(.internalError, "node \(step.node.name) has kept nothing for its gradient")
    }
  }

  private func backward(
    _ step: TorchStep, _ gradient: TorchTensor, _ convolution: Graph.Operation.Convolution, input: TorchTensor,
    isTransposed: Bool, wantsInput: Bool
  ) throws -> TorchTensor? {
    let results = try context.convolutionGradients(
      gradient, input: input, convolution, weight: parameters.tensor(convolution.weight), isTransposed: isTransposed,
      wanted: [wantsInput, true, convolution.bias != nil && !step.cancelsBias])
    try parameters.addGradient(results[1], to: convolution.weight)
    if let bias = convolution.bias { try parameters.addGradient(results[2], to: bias) }
    return try results[0].map(context.arranged)
  }

  private func backward(
    _ gradient: inout TorchTensor, _ norm: Graph.Operation.Normalization, _ kind: TorchNormalization,
    _ running: [String], _ record: TorchNormalizationRecord, slope: Double
  ) throws -> TorchTensor? {
    switch record {
    case .own(let input, let means, let factors, let scales, let shifts):
      let result = try context.normalizationGradients(
        &gradient, input: input, kind, means: means, factors: factors, scales: scales, shifts: shifts, slope: slope)
      if let name = norm.scale { try parameters.addGradient(result.scale, to: name) }
      if let name = norm.shift { try parameters.addGradient(result.shift, to: name) }
      return result.input
    case .library(let input, let mean, let factor, let result):
      if let result { gradient = try context.activationGradient(&gradient, result: result, slope: slope) }
      let results: [TorchTensor?]
      if case .groups(let groups) = kind {
        results = try context.groupNormalizationGradients(
          context.arranged(gradient), groups: groups, input: input, mean: mean, factor: factor,
          scale: norm.scale.map(parameters.tensor))
      } else {
        results = try context.batchNormalizationGradients(
          gradient, epsilon: norm.epsilon, input: input, mean: mean, factor: factor,
          parameters: batchParameters(norm, running))
      }
      if let name = norm.scale { try parameters.addGradient(results[1], to: name) }
      if let name = norm.shift { try parameters.addGradient(results[2], to: name) }
      return results[0]
    }
  }
}
