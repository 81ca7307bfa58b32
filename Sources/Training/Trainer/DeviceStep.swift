import Basics
import Engines
import Imaging
import NNUNet

/// Batches that are finished on the network's device and stay there: augmentation, losses and their gradients. All that
/// comes back of a step are the sums that losses are made of.
final class DeviceStep: BatchStep {
  let readsAhead = true
  private let task: TrainingTask
  private let network: any DeviceTrainableNetwork
  private let augmentation: DeviceAugmentation
  private let loss: DeviceLoss
  private let weights: [Double]
  private var gradients: [DeviceArray] = []
  private typealias Samples = (image: DeviceArray, labels: DeviceArray)
  /// Of the batch that comes next, as soon as the device has come to it.
  private var begun: (batch: TrainingBatch, samples: Samples)?

  /// Nil where the processor has to do some of it: without such a device, for the strong augmentation, and for losses
  /// that take only the largest values.
  ///
  /// - Parameter anywhere: for tests: also where the device is the processor.
  init?(_ task: TrainingTask, _ network: any TrainableNetwork, anywhere: Bool = false) {
    guard let network = network as? any DeviceTrainableNetwork, network.math.isRemote || anywhere,
      task.variant.augmentation != .strong, DeviceLoss.canEvaluate(task.loss)
    else { return nil }
    self.task = task
    self.network = network
    augmentation = DeviceAugmentation(task, network.math)
    loss = DeviceLoss(math: network.math, rule: task.loss)
    weights = task.supervision.weights.filter { $0 != 0 }
  }

  func makeBatch() -> TrainingBatch {
    let math = network.math
    return task.makeBatch(finished: false) { math.pinnedMemory(byteCount: $0) }
  }

  func begin(_ batch: TrainingBatch) throws { begun = (batch, try augmentation.finish(batch)) }

  private func samples(_ batch: TrainingBatch) throws -> Samples {
    defer { begun = nil }
    if let begun, begun.batch === batch { return begun.samples }
    return try augmentation.finish(batch)
  }

  func evaluate(_ batch: TrainingBatch, scale: Double) throws -> Double {
    let (image, labels) = try samples(batch)
    let outputs = try forward(image, isTraining: true)
    let (loss, gradients) = try loss.evaluate(
      logits: outputs, truths: truths(labels), weights: weights, scale: scale, differentiates: true)
    self.gradients = gradients
    return loss
  }

  func differentiate() throws {
    // Outputs of a flat network have no Z.
    let rank = task.inputShape.count
    let shaped = try gradients.map { gradient in
      try network.math.reshaped(gradient, Array(gradient.shape[..<2] + gradient.shape.suffix(rank - 2)))
    }
    gradients = []
    try network.backward(task.supervision.weights.indices.map { $0 < shaped.count ? shaped[$0] : nil })
  }

  func validate(_ batch: TrainingBatch, _ counts: inout OverlapCounts) throws -> Double {
    let (image, labels) = try samples(batch)
    let outputs = try forward(image, isTraining: false)
    let truths = try truths(labels)
    if let logits = outputs.first, let truth = truths.first {
      counts.add(try truth.overlaps(network.math, of: logits, task.meaning))
    }
    return try loss.evaluate(logits: outputs, truths: truths, weights: weights, scale: 1, differentiates: false).loss
  }

  /// The outputs that have a weight, (N, C, Z, Y, X).
  private func forward(_ image: DeviceArray, isTraining: Bool) throws -> [DeviceArray] {
    let input = try network.math.reshaped(image, task.inputShape)
    let outputs = try network.forward(input, wanted: task.supervision.wanted, isTraining: isTraining)
    return try zip(outputs, task.supervision.shapes).compactMap { output, shape in
      try output.map {
        try network.math.reshaped($0, [task.batchSize, task.meaning.channelCount] + shape.axes)
      }
    }
  }

  /// What the labels say about each output that has a weight, picked from the finest ones.
  private func truths(_ labels: DeviceArray) throws -> [DeviceTruth] {
    try task.supervision.shapes.prefix(weights.count).map { shape in
      var level = labels
      for axis in 0..<3 where shape[axis] != task.geometry.patch[axis] {
        let picked = DeepSupervision.nearest(input: task.geometry.patch[axis], output: shape[axis])
        level = try network.math.picked(level, axis: axis + 2, picked)
      }
      return try DeviceTruth(network.math, level, task.meaning, ignore: task.dataset.labels.ignore)
    }
  }
}
