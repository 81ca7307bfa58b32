import Imaging

/// What is done to the values of a training patch, step by step, as chance has it.
struct IntensityAugmentation: Sendable {
  let geometry: AugmentationGeometry
  let channels: Int

  /// - Parameters:
  ///   - values: (C, Z, Y, X), changed in place.
  ///   - scratch: as large as a channel.
  func apply(
    _ values: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, _ stream: inout RandomStream
  ) {
    let count = geometry.patch.count
    if stream.chance(0.1) {
      let deviation = Float(stream.uniform(0, 0.1))
      let key = stream.next()
      IntensityTransforms.noise(values, count: channels * count, deviation: deviation, key: key, first: 0)
    }
    if stream.chance(0.2) {
      for channel in 0..<channels where stream.chance(0.5) {
        let kernels = (0..<3).map { axis in
          isBlurred(axis) ? IntensityTransforms.blurKernel(sigma: stream.uniform(0.5, 1)) : []
        }
        IntensityTransforms.blur(values + channel * count, geometry.patch, kernels: kernels, scratch: scratch)
      }
    }
    if stream.chance(0.15) {
      for channel in 0..<channels {
        let factor = Float(Self.around1(0.75, 1.25, &stream))
        IntensityTransforms.brightness(values + channel * count, count: count, factor: factor)
      }
    }
    if stream.chance(0.15) {
      for channel in 0..<channels {
        let factor = Float(Self.around1(0.75, 1.25, &stream))
        IntensityTransforms.contrast(values + channel * count, count: count, factor: factor)
      }
    }
    if stream.chance(0.25) {
      for channel in 0..<channels where stream.chance(0.5) {
        let shape = geometry.coarser(by: stream.uniform(0.5, 1))
        IntensityTransforms.lowResolution(values + channel * count, geometry.patch, lowShape: shape)
      }
    }
    for (probability, inverted) in [(0.1, true), (0.3, false)] where stream.chance(probability) {
      for channel in 0..<channels {
        let gamma = Float(Self.around1(0.7, 1.5, &stream))
        IntensityTransforms.gamma(values + channel * count, count: count, gamma: gamma, inverted: inverted)
      }
    }
  }

  private func isBlurred(_ axis: Int) -> Bool { axis > 0 || !geometry.isPlanar }

  /// Below 1 or above, each with probability one half.
  static func around1(_ low: Double, _ high: Double, _ stream: inout RandomStream) -> Double {
    low < 1 && stream.chance(0.5) ? stream.uniform(low, 1) : stream.uniform(max(low, 1), high)
  }
}
