import Basics
import Imaging
import Inference

extension TrainedModel {
  /// Where the network's logits end up: the label map on the image's own grid, and probabilities if asked for.
  struct Destination {
    let canvas: LabelCanvas
    let probabilities: ProbabilitySpool?
    let sink: SegmentationSink
  }

  /// Prepares the way back from the network's grid to the image's: resampling, labels, crop, transposition.
  ///
  /// - Parameters:
  ///   - spoolFolder: where probabilities are kept until they are written; nil when nobody wants them.
  ///   - classwise: each class is interpolated linearly along all axes and only the background as the plans say, as
  ///     TotalSegmentator does it for the sake of memory. Regions and probabilities are not made that way.
  func destination(for record: PreparationRecord, spoolFolder: String?, classwise: Bool) throws -> Destination {
    var sampling = try gridSampling(for: record)
    var background: GridSampling?
    if classwise, spoolFolder == nil, !dataset.labels.hasRegions, !sampling.isIdentity {
      background = sampling
      sampling = GridSampling(linearFrom: record.networkShape, to: record.cropBox.shape)
    }
    let canvas = LabelCanvas(
      shape: record.originalShape, transpose: plans.transposeForward, offset: record.cropBox.lower,
      isWide: dataset.labels.needsWideLabels)
    let probabilities = try spoolFolder.map { folder in
      try ProbabilitySpool(
        channels: dataset.labels.outputCount, shape: record.originalShape, transpose: plans.transposeForward,
        offset: record.cropBox.lower, hasBackground: !dataset.labels.hasRegions, folder: folder)
    }
    let sink = SegmentationSink(
      sampling: sampling, background: background, rule: dataset.labels.rule, canvas: canvas,
      probabilities: probabilities)
    return Destination(canvas: canvas, probabilities: probabilities, sink: sink)
  }

  private func gridSampling(for record: PreparationRecord) throws -> GridSampling {
    let scheme = configuration.probabilityResampling
    let (from, to) = (record.networkShape, record.cropBox.shape)
    guard legacy != nil, from != to, case .spline(let order, let orderZ) = scheme.method else {
      return try scheme.gridSampling(
        from: from, to: to, spacing: record.networkSpacing, newSpacing: record.spacing)
    }
    let rules = LegacyConventions.interpolations(
      record, order: order, orderZ: orderZ, force: scheme.forceSeparateZ, transpose: plans.transposeForward)
    let axes = try (0..<3).map { try AxisSampling(rules[$0], from: from[$0], to: to[$0]) }
    return GridSampling(z: axes[0], y: axes[1], x: axes[2], roundsToHalf: false)
  }
}

extension TrainedModel {
  /// Labels on the grid on which the next stage of a cascade works.
  func destination(for record: PreparationRecord, nextStage shape: Shape3D) throws -> Destination {
    // The reference decides on a separate axis by this stage's spacing alone.
    let sampling = try configuration.probabilityResampling.gridSampling(
      from: record.networkShape, to: shape, spacing: record.networkSpacing, newSpacing: record.networkSpacing)
    let canvas = LabelCanvas(
      shape: shape, transpose: [0, 1, 2], offset: Shape3D(0, 0, 0), isWide: dataset.labels.needsWideLabels)
    let sink = SegmentationSink(sampling: sampling, rule: dataset.labels.rule, canvas: canvas)
    return Destination(canvas: canvas, probabilities: nil, sink: sink)
  }
}

extension ResamplingScheme {
  /// How logits on the network's grid become logits on the cropped image's grid.
  ///
  /// Throws `badInput` for spline orders above 1, which the planner never gives to probabilities and which would need
  /// the whole volume at once.
  func gridSampling(from: Shape3D, to: Shape3D, spacing: Vector3D, newSpacing: Vector3D) throws -> GridSampling {
    guard from != to else {
      return GridSampling(
        z: AxisSampling(identity: to.z), y: AxisSampling(identity: to.y), x: AxisSampling(identity: to.x),
        roundsToHalf: true)
    }
    switch method {
    case .none:
      throw Failure(
        .badInput, "the plans forbid resampling, but the network's grid (\(from)) is not the image's (\(to))")
    case .spline(let order, let orderZ):
      let rules = SeparateAxis.interpolations(
        current: spacing, new: newSpacing, order: order, orderZ: orderZ, force: forceSeparateZ,
        threshold: anisotropyThreshold)
      let axes = try (0..<3).map { try AxisSampling(rules[$0], from: from[$0], to: to[$0]) }
      return GridSampling(z: axes[0], y: axes[1], x: axes[2], roundsToHalf: true)
    case .torch:
      let separate = SeparateAxis.decide(
        current: spacing, new: newSpacing, force: forceSeparateZ, threshold: anisotropyThreshold)
      let axes = (0..<3).map { axis in
        axis == separate
          ? AxisSampling(picking: TorchResampler.nearestExact(input: from[axis], output: to[axis]), of: from[axis])
          : AxisSampling(
            TorchResampler.linear(input: from[axis], output: to[axis], fused: separate != nil), of: from[axis])
      }
      return GridSampling(z: axes[0], y: axes[1], x: axes[2], roundsToHalf: false)
    }
  }
}

extension GridSampling {
  /// Linear along all axes, half-pixel coordinates, in single precision.
  fileprivate init(linearFrom from: Shape3D, to: Shape3D) {
    let axes = (0..<3).map { AxisSampling(ResampleTaps.linear(input: from[$0], output: to[$0]), of: from[$0]) }
    self.init(z: axes[0], y: axes[1], x: axes[2], roundsToHalf: false)
  }
}

extension AxisSampling {
  fileprivate init(_ interpolation: Interpolation, from: Int, to: Int) throws {
    switch interpolation {
    case .nearest: self.init(picking: ResampleTaps.nearest(input: from, output: to), of: from)
    case .linear:
      self.init(ResampleTaps.linear(input: from, output: to), of: from)
    case .cubic:
      throw Failure(.badInput, "the plans resample probabilities with order 3; only orders 0 and 1 are supported")
    }
  }

  fileprivate init(_ taps: ResampleTaps.Linear, of extent: Int) {
    self.init(extent: extent, first: taps.index0, second: taps.index1, share: taps.weight1.map(Float.init))
  }

  fileprivate init(picking indices: [Int32], of extent: Int) {
    self.init(extent: extent, first: indices, second: indices, share: Array(repeating: 0, count: indices.count))
  }
}
