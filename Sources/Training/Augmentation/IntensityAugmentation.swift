import Imaging

/// What is done to the values of a training patch, step by step, as chance has it.
struct IntensityAugmentation: Sendable {
  let geometry: AugmentationGeometry
  let channels: Int

  /// Draws the steps for one patch.
  func steps(_ stream: inout RandomStream) -> [IntensityStep] {
    var steps: [IntensityStep] = []
    if stream.chance(0.1) {
      let deviation = Float(stream.uniform(0, 0.1))
      steps.append(.noise(deviation: deviation, key: stream.next()))
    }
    if stream.chance(0.2) {
      for channel in 0..<channels where stream.chance(0.5) {
        let kernels = (0..<3).map { axis in
          isBlurred(axis) ? IntensityTransforms.blurKernel(sigma: stream.uniform(0.5, 1)) : []
        }
        steps.append(.blur(channel: channel, kernels: kernels))
      }
    }
    if stream.chance(0.15) {
      for channel in 0..<channels {
        steps.append(.brightness(channel: channel, factor: Float(Self.around1(0.75, 1.25, &stream))))
      }
    }
    if stream.chance(0.15) {
      for channel in 0..<channels {
        steps.append(.contrast(channel: channel, factor: Float(Self.around1(0.75, 1.25, &stream))))
      }
    }
    if stream.chance(0.25) {
      for channel in 0..<channels where stream.chance(0.5) {
        steps.append(.lowResolution(channel: channel, shape: geometry.coarser(by: stream.uniform(0.5, 1))))
      }
    }
    for (probability, inverted) in [(0.1, true), (0.3, false)] where stream.chance(probability) {
      for channel in 0..<channels {
        let exponent = Float(Self.around1(0.7, 1.5, &stream))
        steps.append(.gamma(channel: channel, exponent: exponent, inverted: inverted))
      }
    }
    return steps
  }

  private func isBlurred(_ axis: Int) -> Bool { axis > 0 || !geometry.isPlanar }

  /// Below 1 or above, each with probability one half.
  static func around1(_ low: Double, _ high: Double, _ stream: inout RandomStream) -> Double {
    low < 1 && stream.chance(0.5) ? stream.uniform(low, 1) : stream.uniform(max(low, 1), high)
  }
}
