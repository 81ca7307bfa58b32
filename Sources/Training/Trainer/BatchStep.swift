import Basics
import Engines
import Imaging
import NNUNet

/// What is done with a batch, wherever its arrays are.
protocol BatchStep: AnyObject {
  /// Whether there is something to `begin` with a batch while the one before is at work.
  var readsAhead: Bool { get }

  /// Memory for a batch.
  func makeBatch() -> TrainingBatch

  /// Begins with the batch that comes next. At most one has been begun when another one is evaluated or validated.
  func begin(_ batch: TrainingBatch) throws

  /// The loss of a training batch; keeps what `differentiate` needs.
  ///
  /// - Parameter scale: what gradients are multiplied by.
  func evaluate(_ batch: TrainingBatch, scale: Double) throws -> Double

  /// Computes the gradients of the network's parameters for the batch that was evaluated last.
  func differentiate() throws

  /// The loss of a validation batch, whose overlaps are added to `counts`.
  func validate(_ batch: TrainingBatch, _ counts: inout OverlapCounts) throws -> Double
}

/// Batches in memory, whose losses are computed by the processor.
final class HostStep: BatchStep {
  let readsAhead = false
  private let task: TrainingTask
  private let network: any TrainableNetwork
  private let guidance: (any TrainingGuidance)?
  private let rule: SegmentationLoss
  /// For each output that has a weight, room for its gradient.
  private let gradients: [UnsafeMutableBufferPointer<Float>]

  init(_ task: TrainingTask, _ network: any TrainableNetwork, guidance: (any TrainingGuidance)?) {
    self.task = task
    self.network = network
    self.guidance = guidance
    rule = task.loss
    let channels = task.meaning.channelCount
    gradients = zip(task.supervision.shapes, task.supervision.weights).filter { $1 != 0 }.map { shape, _ in
      .allocate(capacity: task.batchSize * channels * shape.count)
    }
  }

  deinit { for gradient in gradients { gradient.deallocate() } }

  func makeBatch() -> TrainingBatch { task.makeBatch() }

  func begin(_ batch: TrainingBatch) {}

  func evaluate(_ batch: TrainingBatch, scale: Double) throws -> Double {
    try guidance?.prepare(batch)
    return evaluate(try forward(batch, isTraining: true), batch, scale: scale, differentiates: true)
  }

  func differentiate() throws {
    try network.backward(
      task.supervision.weights.indices.map { $0 < gradients.count ? UnsafeBufferPointer(gradients[$0]) : nil })
  }

  func validate(_ batch: TrainingBatch, _ counts: inout OverlapCounts) throws -> Double {
    let outputs = try forward(batch, isTraining: false)
    let loss = evaluate(outputs, batch, scale: 1, differentiates: false)
    if let logits = outputs.first??.values.baseAddress, let labels = batch.labels.first?.baseAddress {
      counts.add(
        logits: logits, labels: labels, batch: task.batchSize, voxels: task.geometry.patch.count,
        ignore: task.dataset.labels.ignore)
    }
    return loss
  }

  private func forward(_ batch: TrainingBatch, isTraining: Bool) throws -> [HostArray?] {
    let outputs = try network.forward(
      UnsafeBufferPointer(batch.image), shape: task.inputShape, wanted: task.supervision.wanted,
      isTraining: isTraining)
    for (level, output) in outputs.enumerated() where task.supervision.wanted[level] {
      let expected = task.batchSize * task.meaning.channelCount * task.supervision.shapes[level].count
      guard output?.values.count == expected else {
        throw Failure(.internalError, "output \(level) of the network is \(output?.shape ?? []), which does not fit")
      }
    }
    return outputs
  }

  /// The weighted loss of all outputs; leaves the gradients in `gradients`.
  private func evaluate(
    _ outputs: [HostArray?], _ batch: TrainingBatch, scale: Double, differentiates: Bool
  ) -> Double {
    var total = 0.0
    let guidance = differentiates ? guidance : nil
    for (level, gradient) in gradients.enumerated() {
      guard let logits = outputs[level]?.values.baseAddress, let labels = batch.labels[level].baseAddress,
        let gradient = gradient.baseAddress
      else { continue }
      let weight = task.supervision.weights[level] * (guidance?.labelShare ?? 1)
      total +=
        weight
        * rule.evaluate(
          logits: logits, labels: labels, batch: task.batchSize, voxels: batch.labelShapes[level].count,
          weight: weight * scale, gradient: gradient, differentiates: differentiates)
      total +=
        guidance?.evaluate(
          level: level, weight: task.supervision.weights[level], scale: scale, logits: logits, gradient: gradient) ?? 0
    }
    return total
  }
}
