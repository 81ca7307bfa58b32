import Imaging

/// What nnU-Net's "DA5" does to the values of a training patch, step by step, as chance has it.
///
/// Mirroring, which the reference does before rectangles and bumps are placed, comes last here: these are as likely on
/// one side as on the other.
struct StrongAugmentation: Sendable {
  let geometry: AugmentationGeometry
  let channels: Int

  private var patch: Shape3D { geometry.patch }

  /// - Parameters:
  ///   - values: (C, Z, Y, X), changed in place.
  ///   - scratch: as large as a channel.
  func apply(
    _ values: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, _ stream: inout RandomStream
  ) {
    soften(values, scratch, &stream)
    let all = channels * patch.count
    if stream.chance(0.1) {
      let deviation = Float(stream.uniform(0, 0.1))
      let key = stream.next()
      IntensityTransforms.noise(values, count: all, deviation: deviation, key: key, first: 0)
    }
    if stream.chance(0.1) {
      forSomeChannels(values, &stream) { channel, stream in
        IntensityTransforms.shift(channel, count: patch.count, by: 0.5 * stream.normals().0)
      }
    }
    let keepsRange = stream.chance(0.5)
    if stream.chance(0.2) {
      forSomeChannels(values, &stream) { channel, stream in
        let factor = Float(IntensityAugmentation.around1(0.5, 2, &stream))
        IntensityTransforms.contrast(channel, count: patch.count, factor: factor, keepsRange: keepsRange)
      }
    }
    if stream.chance(0.15) {
      forSomeChannels(values, &stream) { channel, stream in
        let shape = geometry.coarser(by: stream.uniform(0.25, 1))
        IntensityTransforms.lowResolution(channel, patch, lowShape: shape)
      }
    }
    for _ in 0..<2 where stream.chance(0.1) {
      for channel in 0..<channels {
        let gamma = Float(IntensityAugmentation.around1(0.7, 1.5, &stream))
        IntensityTransforms.gamma(values + channel * patch.count, count: patch.count, gamma: gamma, inverted: true)
      }
    }
    changeLocally(values, &stream)
    if stream.chance(0.2) {
      forSomeChannels(values, &stream) { channel, stream in
        let strength = Float(stream.uniform(0.1, 1))
        IntensityTransforms.sharpen(channel, patch, strength: strength, isPlanar: geometry.isPlanar, scratch: scratch)
      }
    }
  }

  /// Medians or a blur.
  private func soften(
    _ values: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>, _ stream: inout RandomStream
  ) {
    let isMedian = stream.chance(0.5)
    guard stream.chance(0.2) else { return }
    forSomeChannels(values, &stream) { channel, stream in
      if isMedian {
        let size = stream.integer(2, 7)
        IntensityTransforms.median(channel, patch, size: size, isPlanar: geometry.isPlanar, scratch: scratch)
      } else {
        let kernel = IntensityTransforms.blurKernel(sigma: stream.uniform(0.3, 1.5))
        IntensityTransforms.blur(
          channel, patch, kernels: [geometry.isPlanar ? [] : kernel, kernel, kernel], scratch: scratch)
      }
    }
  }

  /// Blank boxes, a gradient of brightness, a gamma that is strongest at one place.
  private func changeLocally(_ values: UnsafeMutablePointer<Float>, _ stream: inout RandomStream) {
    if stream.chance(0.4) {
      forSomeChannels(values, &stream) { channel, stream in
        for _ in 0..<stream.integer(1, 4) { IntensityTransforms.blank(channel, patch, box: drawBox(&stream)) }
      }
    }
    if stream.chance(0.3) {
      forSomeChannels(values, &stream) { channel, stream in
        let bump = drawBump(&stream)
        let sign: Float = stream.chance(0.5) ? -1 : 1
        bump.brighten(channel, strength: sign * Float(stream.uniform(1, 5)))
      }
    }
    if stream.chance(0.3) {
      forSomeChannels(values, &stream) { channel, stream in
        let bump = drawBump(&stream)
        let gamma = stream.chance(0.5) ? stream.uniform(0.01, 0.8) : stream.uniform(1.5, 4)
        bump.applyGamma(channel, gamma: Float(gamma))
      }
    }
  }

  private func forSomeChannels(
    _ values: UnsafeMutablePointer<Float>, _ stream: inout RandomStream,
    _ body: (UnsafeMutablePointer<Float>, inout RandomStream) -> Void
  ) {
    for channel in 0..<channels where stream.chance(0.5) { body(values + channel * patch.count, &stream) }
  }

  /// A box with edges of a tenth to a third of the patch.
  private func drawBox(_ stream: inout RandomStream) -> Box3D {
    var box = Box3D(patch)
    for axis in geometry.axes {
      let least = max(1, patch[axis] / 10)
      let size = stream.integer(least, max(least, patch[axis] / 3 - 1))
      box.lower[axis] = stream.integer(0, patch[axis] - size)
      box.upper[axis] = box.lower[axis] + size
    }
    return box
  }

  /// Centred in the patch or at most half its size beside it; from a sixth of the patch wide to all of it.
  private func drawBump(_ stream: inout RandomStream) -> Bump {
    var (centres, widths) = ([Double](), [Double]())
    for axis in geometry.axes {
      centres.append(stream.uniform(-0.5, 1.5))
      let size = patch[axis]
      widths.append(exponential(stream.uniform(logarithm(Double(max(1, size / 6))), logarithm(Double(size)))))
    }
    return Bump(patch, centres: centres, widths: widths)
  }
}
