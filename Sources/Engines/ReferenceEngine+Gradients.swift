import Basics
import Networks

/// What an operation hands back from the gradient of its result. Sums are taken in float64.
struct ReferenceGradients {
  /// One for each input.
  var inputs: [[Float]]
  /// By name.
  var parameters: [String: [Float]] = [:]
}

extension Graph.Operation {
  /// The gradients of the operation's inputs and parameters.
  ///
  /// - Parameters:
  ///   - gradient: Of the result, which has the given shape.
  ///   - factors: Those of dropout, one for each sample and channel.
  func gradients(
    _ gradient: [Float], shape: [Int], inputs: [ReferenceArray], parameters: [String: [Float]], factors: [Float]?
  ) throws -> ReferenceGradients {
    guard let input = inputs.first else { throw Failure(.internalError, "an operation has no input") }
    switch self {
    case .convolution(let convolution):
      return convolution.gradients(gradient, shape: shape, input: input, parameters: parameters, isTransposed: false)
    case .transposedConvolution(let convolution):
      return convolution.gradients(gradient, shape: shape, input: input, parameters: parameters, isTransposed: true)
    case .instanceNorm(let norm):
      return input.normalizationGradients(gradient, norm, groups: norm.channels, parameters: parameters)
    case .groupNorm(let norm, let groups):
      return input.normalizationGradients(gradient, norm, groups: groups, parameters: parameters)
    case .batchNorm(let norm, _, _):
      return input.normalizationGradients(gradient, norm, groups: nil, parameters: parameters)
    case .leakyReLU(let slope):
      return ReferenceGradients(
        inputs: [zip(gradient, input.values).map { $1 > 0 ? $0 : Float(slope * Double($0)) }])
    case .add: return ReferenceGradients(inputs: inputs.map { _ in gradient })
    case .concatenation:
      var parts = inputs.map { _ in [Float]() }
      var next = 0
      for _ in 0..<shape[0] {
        for (index, input) in inputs.enumerated() {
          let size = input.channels * input.voxels
          parts[index] += gradient[next..<next + size]
          next += size
        }
      }
      return ReferenceGradients(inputs: parts)
    case .averagePooling(let window):
      return ReferenceGradients(inputs: [input.poolingGradient(gradient, window: window, shape: shape)])
    case .upsampling(let factors, let interpolation):
      return ReferenceGradients(
        inputs: [input.upsamplingGradient(gradient, factors: factors, interpolation, shape: shape)])
    case .dropout:
      guard let factors else { return ReferenceGradients(inputs: [gradient]) }
      let voxels = input.voxels
      return ReferenceGradients(inputs: [gradient.enumerated().map { $1 * factors[$0 / voxels] }])
    }
  }
}

extension ReferenceArray {
  /// Each channel times its factor, one for each sample and channel.
  func scaled(by factors: [Float]) -> ReferenceArray {
    let voxels = voxels
    return ReferenceArray(shape: shape, values: values.enumerated().map { $1 * factors[$0 / voxels] })
  }

  /// The positions of the voxels that share a mean: of a group of channels in one sample, or (`groups` nil) of a
  /// channel in all samples.
  private func sharedStatistics(groups: Int?) -> [[Range<Int>]] {
    guard let groups else {
      return (0..<channels).map { channel in
        (0..<shape[0]).map { sample in
          let start = (sample * channels + channel) * voxels
          return start..<start + voxels
        }
      }
    }
    let size = channels / groups * voxels
    return (0..<shape[0] * groups).map { [$0 * size..<($0 + 1) * size] }
  }

  /// Mean and biased variance of the voxels in `ranges`.
  private func statistics(of ranges: [Range<Int>]) -> (mean: Double, variance: Double) {
    let count = Double(ranges.reduce(0) { $0 + $1.count })
    var mean = 0.0
    for range in ranges { for index in range { mean += Double(values[index]) } }
    mean /= count
    var variance = 0.0
    for range in ranges {
      for index in range { variance += (Double(values[index]) - mean) * (Double(values[index]) - mean) }
    }
    return (mean, variance / count)
  }

  /// Mean and biased variance of every channel over all samples.
  var batchStatistics: (means: [Double], variances: [Double]) {
    let all = sharedStatistics(groups: nil).map(statistics)
    return (all.map(\.mean), all.map(\.variance))
  }

  /// The gradient of instance, group and (`groups` nil) batch normalisation: with y = x^ scale + shift, x^ = (x - m) r,
  /// dx = r (dx^ - mean(dx^) - x^ mean(dx^ x^)).
  fileprivate func normalizationGradients(
    _ gradient: [Float], _ norm: Graph.Operation.Normalization, groups: Int?, parameters: [String: [Float]]
  ) -> ReferenceGradients {
    let scale = norm.scale.flatMap { parameters[$0] } ?? [Float](repeating: 1, count: channels)
    var scaleGradient = [Double](repeating: 0, count: channels)
    var shiftGradient = [Double](repeating: 0, count: channels)
    var result = values
    for ranges in sharedStatistics(groups: groups) {
      let (mean, variance) = statistics(of: ranges)
      let factor = 1 / (variance + norm.epsilon).squareRoot()
      let count = Double(ranges.reduce(0) { $0 + $1.count })
      var sum = 0.0
      var product = 0.0
      for range in ranges {
        for index in range {
          let channel = index / voxels % channels
          let normalized = (Double(values[index]) - mean) * factor
          let inner = Double(gradient[index]) * Double(scale[channel])
          sum += inner
          product += inner * normalized
          scaleGradient[channel] += Double(gradient[index]) * normalized
          shiftGradient[channel] += Double(gradient[index])
        }
      }
      for range in ranges {
        for index in range {
          let normalized = (Double(values[index]) - mean) * factor
          let inner = Double(gradient[index]) * Double(scale[index / voxels % channels])
          result[index] = Float(factor * (inner - sum / count - normalized * product / count))
        }
      }
    }
    var gradients = ReferenceGradients(inputs: [result])
    if let name = norm.scale { gradients.parameters[name] = scaleGradient.map(Float.init) }
    if let name = norm.shift { gradients.parameters[name] = shiftGradient.map(Float.init) }
    return gradients
  }

  fileprivate func poolingGradient(_ gradient: [Float], window: [Int], shape: [Int]) -> [Float] {
    let from = threeAxes(self.shape[2...], filling: 1)
    let to = threeAxes(shape[2...], filling: 1)
    let window = threeAxes(window, filling: 1)
    let count = Float(window.reduce(1, *))
    var result = [Float](repeating: 0, count: values.count)
    var next = 0
    for plane in 0..<shape[0] * shape[1] {
      Self.forEachVoxel(to) { z, y, x in
        Self.forEachVoxel(window) { dz, dy, dx in
          let voxel = ((z * window[0] + dz) * from[1] + y * window[1] + dy) * from[2] + x * window[2] + dx
          result[plane * voxels + voxel] = gradient[next] / count
        }
        next += 1
      }
    }
    return result
  }

  fileprivate func upsamplingGradient(
    _ gradient: [Float], factors: [Int], _ interpolation: Graph.Operation.Interpolation, shape: [Int]
  ) -> [Float] {
    let from = threeAxes(self.shape[2...], filling: 1)
    let to = threeAxes(shape[2...], filling: 1)
    let factors = threeAxes(factors, filling: 1)
    func neighbours(_ index: Int, _ axis: Int) -> [(Int, Double)] {
      let (low, high, weight) = interpolation.neighbours(index, factor: factors[axis], size: from[axis])
      return [(low, 1 - weight), (high, weight)]
    }
    var result = [Double](repeating: 0, count: values.count)
    var next = 0
    for plane in 0..<shape[0] * shape[1] {
      Self.forEachVoxel(to) { z, y, x in
        for (iz, wz) in neighbours(z, 0) {
          for (iy, wy) in neighbours(y, 1) {
            for (ix, wx) in neighbours(x, 2) {
              result[plane * voxels + (iz * from[1] + iy) * from[2] + ix] += Double(gradient[next]) * wz * wy * wx
            }
          }
        }
        next += 1
      }
    }
    return result.map(Float.init)
  }
}

extension Graph.Operation.Convolution {
  /// Every product of an input voxel and a weight that has gone into a voxel of the result is followed back.
  fileprivate func gradients(
    _ gradient: [Float], shape: [Int], input: ReferenceArray, parameters: [String: [Float]], isTransposed: Bool
  ) -> ReferenceGradients {
    // A transposed convolution strides over its result instead of its input.
    let (coarse, fine) = isTransposed ? (input.shape, shape) : (shape, input.shape)
    let coarseAxes = threeAxes(coarse[2...], filling: 1)
    let fineAxes = threeAxes(fine[2...], filling: 1)
    let kernel = threeAxes(self.kernel, filling: 1)
    let stride = threeAxes(self.stride, filling: 1)
    let padding = threeAxes(self.padding, filling: 0)
    let taps = kernel.reduce(1, *)
    let (coarseVoxels, fineVoxels) = (coarseAxes.reduce(1, *), fineAxes.reduce(1, *))
    let weights = parameters[weight] ?? []
    var inputGradient = [Double](repeating: 0, count: input.values.count)
    var weightGradient = [Double](repeating: 0, count: weights.count)
    for sample in 0..<shape[0] {
      // Weights are (out, in, ...), and (in, out, ...) in a transposed convolution: coarse before fine either way.
      for coarseChannel in 0..<coarse[1] {
        for fineChannel in 0..<fine[1] {
          let coarsePlane = (sample * coarse[1] + coarseChannel) * coarseVoxels
          let finePlane = (sample * fine[1] + fineChannel) * fineVoxels
          let first = (coarseChannel * fine[1] + fineChannel) * taps
          ReferenceArray.forEachVoxel(coarseAxes) { z, y, x in
            let coarseVoxel = coarsePlane + (z * coarseAxes[1] + y) * coarseAxes[2] + x
            ReferenceArray.forEachVoxel(kernel) { kz, ky, kx in
              let (fz, fy, fx) = (
                z * stride[0] + kz - padding[0], y * stride[1] + ky - padding[1], x * stride[2] + kx - padding[2]
              )
              guard 0..<fineAxes[0] ~= fz, 0..<fineAxes[1] ~= fy, 0..<fineAxes[2] ~= fx else { return }
              let fineVoxel = finePlane + (fz * fineAxes[1] + fy) * fineAxes[2] + fx
              let tap = first + (kz * kernel[1] + ky) * kernel[2] + kx
              let (from, to) = isTransposed ? (coarseVoxel, fineVoxel) : (fineVoxel, coarseVoxel)
              inputGradient[from] += Double(gradient[to]) * Double(weights[tap])
              weightGradient[tap] += Double(gradient[to]) * Double(input.values[from])
            }
          }
        }
      }
    }
    var result = ReferenceGradients(
      inputs: [inputGradient.map(Float.init)], parameters: [weight: weightGradient.map(Float.init)])
    if let bias {
      let voxels = shape[2...].reduce(1, *)
      var sums = [Double](repeating: 0, count: outputChannels)
      for (index, value) in gradient.enumerated() { sums[index / voxels % outputChannels] += Double(value) }
      result.parameters[bias] = sums.map(Float.init)
    }
    return result
  }
}
