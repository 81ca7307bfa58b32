import Imaging

/// Where nnU-Net v1 does otherwise than v2 on the way from an image to its labels.
///
/// Images are resampled first and normalised then; probabilities are averaged instead of logits; the axis that is
/// resampled separately on the way back is decided upon from the image's spacing first; and a model may have its own
/// postprocessing.
struct LegacyConventions: Sendable {
  /// One per image channel.
  let normalizations: [LegacyNormalization]
  let postprocessing: LegacyPostprocessing?

  var usesMask: Bool { normalizations.contains(where: \.usesMask) }

  /// Brings a cropped image to the network's grid: resampling, then normalisation.
  ///
  /// - Parameters:
  ///   - voxels: (C, Z, Y, X) in the network's frame.
  ///   - mask: what is not background in them; needed if any channel's normalisation uses it.
  func prepare(
    _ voxels: consuming Volume<Float>, mask: Volume<UInt8>?, record: PreparationRecord, configuration: Configuration
  ) throws -> Volume<Float> {
    if !configuration.isPlanar {
      for index in voxels.elements.indices where voxels.elements[index].isNaN { voxels.elements[index] = 0 }
    }
    var resampled = try configuration.imageResampling.resample(
      voxels, to: record.networkShape, from: record.spacing, to: record.networkSpacing)
    let inside = try mask.map { mask in
      // -1 outside, 0 inside, resampled as labels were at the time.
      let labels = try Resampler(order: .linear, orderZ: .nearest).resampleLabels(
        NonzeroCrop.segmentation(of: mask), to: record.networkShape, currentSpacing: record.spacing,
        newSpacing: record.networkSpacing, rule: .half)
      return Volume<UInt8>(shape: record.networkShape, elements: labels.elements.map { $0 >= 0 ? 1 : 0 })
    }
    for channel in 0..<resampled.channels {
      try normalizations[channel].apply(to: &resampled, channel: channel, mask: inside)
    }
    return resampled
  }

  /// The previous stage's segmentation, on the image's own grid, on the network's grid. It is not cropped as the image is,
  /// so where something was cropped away the two do not lie upon each other; the networks were trained to that.
  static func previousStage(
    _ segmentation: Volume<Float>, record: PreparationRecord, transpose: [Int]
  ) throws -> Volume<Int16> {
    let turned = segmentation.permuted(transpose)
    let labels = Volume<Int16>(
      shape: turned.shape, elements: turned.elements.map { Int16(exactly: $0.rounded(.towardZero)) ?? 0 })
    let unit = Vector3D(1, 1, 1)
    return try Resampler(order: .linear, forceSeparateZ: false).resampleLabels(
      labels, to: record.networkShape, currentSpacing: unit, newSpacing: unit, rule: .half)
  }

  /// The interpolation of probabilities along each axis of the network's frame, on the way back to the image's grid.
  ///
  /// The spacing of the network's grid is looked at as if it were in the order of the image's axes; so did v1.
  static func interpolations(
    _ record: PreparationRecord, order: Interpolation, orderZ: Interpolation, force: Bool?, transpose: [Int]
  ) -> [Interpolation] {
    let separate = SeparateAxis.decide(current: record.originalSpacing, new: record.networkSpacing, force: force)
    return (0..<3).map { transpose[$0] == separate ? orderZ : order }
  }
}
