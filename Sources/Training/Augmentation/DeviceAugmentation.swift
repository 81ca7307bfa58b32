import Engines
import Imaging
import NNUNet

/// Finishes samples on a device: the augmentation of `SamplePreparation` in terms of whole arrays. The results are the
/// same but for the rounding of sums.
struct DeviceAugmentation {
  let math: DeviceMath
  let patch: Shape3D
  let channels: Int
  /// Channels that are 0 outside of what was not zero in the image.
  let maskedChannels: [Bool]
  let nearestImages: Bool
  let nearestLabels: Bool

  init(_ task: TrainingTask, _ math: DeviceMath) {
    self.math = math
    patch = task.geometry.patch
    channels = task.dataset.channelCount
    maskedChannels = task.maskedChannels
    nearestImages = task.variant.nearestImages
    nearestLabels = task.variant.nearestLabels
  }

  /// A whole batch as the network takes it.
  ///
  /// - Returns: the images, (N, C, Z, Y, X), and the labels, (N, 1, Z, Y, X).
  func finish(_ batch: TrainingBatch) throws -> (image: DeviceArray, labels: DeviceArray) {
    let image = try math.empty([batch.size, channels] + patch.axes)
    let labels = try math.empty([batch.size, 1] + patch.axes)
    for (place, sample) in batch.unfinished.enumerated() {
      let (values, marks) = try finish(sample)
      for channel in 0..<channels {
        let offset = (place * channels + channel) * patch.count
        try math.copy(values[channel], to: math.part(image, from: offset, patch.axes))
      }
      try math.copy(marks, to: math.part(labels, from: place * patch.count, patch.axes))
    }
    return (image, labels)
  }

  /// The channels of the image, and the labels, of one sample.
  private func finish(_ sample: UnfinishedSample) throws -> ([DeviceArray], DeviceArray) {
    let count = sample.shape.count
    let image = try math.array(sample.cut.image(channels * count), [channels] + sample.shape.axes)
    var labels = try math.labels(sample.cut.labels(count), sample.shape.axes)
    var values = try (0..<channels).map { try math.part(image, from: $0 * count, sample.shape.axes) }
    if let rows = sample.rows {
      let places = try PatchPlaces(math, rows, source: sample.shape, patch: patch)
      let corners = nearestImages && nearestLabels ? nil : try places.corners()
      values = try values.map { image in
        guard let corners, !nearestImages else { return try places.nearest(image, outside: 0) }
        return try places.linear(image, corners)
      }
      if let corners, !nearestLabels {
        labels = try places.elected(labels, corners)
      } else {
        labels = try places.nearest(labels, outside: -1)
      }
    }
    for step in sample.steps { try apply(step, to: &values, sample) }
    let axes = (0..<3).filter { sample.mirrored[$0] }
    let isOutside = try math.compare(labels, .less, 0)
    let zero = try math.number(0)
    for channel in 0..<channels {
      if sample.masksImage, channel < maskedChannels.count, maskedChannels[channel] {
        values[channel] = try math.choice(isOutside, zero, values[channel])
      }
      values[channel] = try math.mirrored(values[channel], axes: axes)
    }
    return (values, try math.mirrored(math.larger(labels, zero), axes: axes))
  }

  // MARK: Values

  private func apply(_ step: IntensityStep, to values: inout [DeviceArray], _ sample: UnfinishedSample) throws {
    switch step {
    case .noise:
      let noise = try math.array(sample.noise(channels * patch.count), [channels] + patch.axes)
      for channel in 0..<channels {
        values[channel] = try math.sum(
          values[channel], math.part(noise, from: channel * patch.count, patch.axes))
      }
    case .blur(let channel, let kernels):
      let matrices = kernels.enumerated().map { AxisMatrix(kernel: $1, size: patch[$0]) }
      values[channel] = try separable(values[channel], matrices)
    case .brightness(let channel, let factor):
      values[channel] = try math.product(values[channel], Double(factor))
    case .contrast(let channel, let factor):
      values[channel] = try contrast(values[channel], factor: Double(factor))
    case .lowResolution(let channel, let shape):
      let matrices = (0..<3).map { AxisMatrix(size: patch[$0], lowSize: shape[$0]) }
      values[channel] = try separable(values[channel], matrices)
    case .gamma(let channel, let exponent, let inverted):
      values[channel] = try gamma(values[channel], exponent: Double(exponent), inverted: inverted)
    }
  }

  private static let allAxes = [0, 1, 2]

  /// Every axis mixed by its matrix.
  private func separable(_ values: DeviceArray, _ matrices: [AxisMatrix]) throws -> DeviceArray {
    var values = values
    for (axis, matrix) in matrices.enumerated() where !matrix.isIdentity {
      let weights = try math.array(matrix.weights, [matrix.size, matrix.size])
      switch axis {
      case 0:
        let planes = try math.reshaped(values, [patch.z, patch.y * patch.x])
        values = try math.reshaped(math.multiplied(weights, planes), patch.axes)
      case 1: values = try math.multiplied(weights, values)
      default:
        let transposed = try math.array(matrix.transposed.weights, [matrix.size, matrix.size])
        let rows = try math.reshaped(values, [patch.z * patch.y, patch.x])
        values = try math.reshaped(math.multiplied(rows, transposed), patch.axes)
      }
    }
    return values
  }

  private func contrast(_ values: DeviceArray, factor: Double) throws -> DeviceArray {
    let mean = try math.summary(.mean, of: values, axes: Self.allAxes)
    let low = try math.summary(.smallest, of: values, axes: Self.allAxes)
    let high = try math.summary(.largest, of: values, axes: Self.allAxes)
    let moved = try math.sum(math.product(values, factor), mean, factor: 1 - factor)
    return try math.smaller(math.larger(moved, low), high)
  }

  private func gamma(_ values: DeviceArray, exponent: Double, inverted: Bool) throws -> DeviceArray {
    let values = inverted ? try math.product(values, -1) : values
    let low = try math.summary(.smallest, of: values, axes: Self.allAxes)
    let range = try math.sum(math.summary(.largest, of: values, axes: Self.allAxes), low, factor: -1)
    let before = try moments(values)
    let ratio = try math.quotient(
      math.sum(values, low, factor: -1), math.larger(range, math.number(1e-7)))
    let bent = try math.sum(math.product(math.power(ratio, exponent), range), low)
    let after = try moments(bent)
    let scale = try math.quotient(before.deviation, math.larger(after.deviation, math.number(1e-7)))
    let restored = try math.sum(math.product(math.sum(bent, after.mean, factor: -1), scale), before.mean)
    return inverted ? try math.product(restored, -1) : restored
  }

  /// Mean and deviation (with n - 1 in the denominator).
  private func moments(_ values: DeviceArray) throws -> (mean: DeviceArray, deviation: DeviceArray) {
    let mean = try math.summary(.mean, of: values, axes: Self.allAxes)
    let offsets = try math.sum(values, mean, factor: -1)
    let squares = try math.summary(.sum, of: math.product(offsets, offsets), axes: Self.allAxes)
    let variance = try math.product(squares, 1 / Double(max(1, values.count - 1)))
    return (mean, try math.apply(.sqrt, to: variance))
  }
}
