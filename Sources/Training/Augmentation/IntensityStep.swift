import Imaging

/// One change of a patch's values, with everything that chance has a say in decided.
enum IntensityStep: Sendable, Equatable {
  /// Independent normal numbers on all channels; `key` names them.
  case noise(deviation: Float, key: UInt64)
  /// One kernel for each axis (Z, Y, X); an empty one leaves its axis alone.
  case blur(channel: Int, kernels: [[Float]])
  case brightness(channel: Int, factor: Float)
  /// Within the range the values had.
  case contrast(channel: Int, factor: Float)
  case lowResolution(channel: Int, shape: Shape3D)
  case gamma(channel: Int, exponent: Float, inverted: Bool)

  /// - Parameters:
  ///   - values: (C, Z, Y, X), changed in place.
  ///   - patch: (Z, Y, X)
  ///   - scratch: as large as a channel.
  func apply(
    to values: UnsafeMutablePointer<Float>, channels: Int, _ patch: Shape3D, scratch: UnsafeMutablePointer<Float>
  ) {
    let count = patch.count
    switch self {
    case .noise(let deviation, let key):
      IntensityTransforms.noise(values, count: channels * count, deviation: deviation, key: key, first: 0)
    case .blur(let channel, let kernels):
      IntensityTransforms.blur(values + channel * count, patch, kernels: kernels, scratch: scratch)
    case .brightness(let channel, let factor):
      IntensityTransforms.brightness(values + channel * count, count: count, factor: factor)
    case .contrast(let channel, let factor):
      IntensityTransforms.contrast(values + channel * count, count: count, factor: factor)
    case .lowResolution(let channel, let shape):
      IntensityTransforms.lowResolution(values + channel * count, patch, lowShape: shape)
    case .gamma(let channel, let exponent, let inverted):
      IntensityTransforms.gamma(values + channel * count, count: count, gamma: exponent, inverted: inverted)
    }
  }
}
