import Basics
import Imaging

extension ResamplingScheme {
  /// An image on another grid, every channel on its own. Spacings in mm, (Z, Y, X).
  func resample(
    _ volume: Volume<Float>, to shape: Shape3D, from spacing: Vector3D, to newSpacing: Vector3D
  ) throws -> Volume<Float> {
    switch method {
    case .spline(let order, let orderZ):
      try Resampler(order: order, orderZ: orderZ, forceSeparateZ: forceSeparateZ, threshold: anisotropyThreshold)
        .resample(volume, to: shape, currentSpacing: spacing, newSpacing: newSpacing)
    case .torch:
      try TorchResampler(forceSeparateZ: forceSeparateZ, threshold: anisotropyThreshold)
        .resample(volume, to: shape, currentSpacing: spacing, newSpacing: newSpacing)
    case .none: try unchanged(volume, shape)
    }
  }

  /// A segmentation on another grid; labels may be negative.
  func resample(
    labels: Volume<Int16>, to shape: Shape3D, from spacing: Vector3D, to newSpacing: Vector3D
  ) throws -> Volume<Int16> {
    switch method {
    case .spline(let order, let orderZ):
      try Resampler(order: order, orderZ: orderZ, forceSeparateZ: forceSeparateZ, threshold: anisotropyThreshold)
        .resampleLabels(labels, to: shape, currentSpacing: spacing, newSpacing: newSpacing)
    case .torch:
      try TorchResampler(
        forceSeparateZ: forceSeparateZ, threshold: anisotropyThreshold, memoryEfficientLabels: isMemoryEfficient
      ).resampleLabels(labels, to: shape, currentSpacing: spacing, newSpacing: newSpacing)
    case .none: try unchanged(labels, shape)
    }
  }

  private func unchanged<Element>(_ volume: Volume<Element>, _ shape: Shape3D) throws -> Volume<Element> {
    guard volume.shape == shape else {
      throw Failure(
        .badInput,
        "the plans forbid resampling, but the image's grid (\(volume.shape)) is not the network's (\(shape))")
    }
    return volume
  }
}
