import Basics
import Networks

/// A value on its way through the reference engine: (N, C, spatial axes...), C order.
struct ReferenceArray {
  var shape: [Int]
  var values: [Float]

  var channels: Int { shape[1] }
  /// Voxels per channel.
  var voxels: Int { shape[2...].reduce(1, *) }
}

extension Graph.Operation {
  /// The operation's result, of the given shape. `parameters` holds every parameter in C order by its name.
  func evaluate(
    _ inputs: [ReferenceArray], shape: [Int], parameters: [String: [Float]]
  ) throws -> ReferenceArray {
    func parameter(_ name: String) throws -> [Float] {
      guard let values = parameters[name] else { throw Failure(.internalError, "no weights for \(name)") }
      return values
    }
    func optional(_ name: String?, _ standIn: Float, count: Int) throws -> [Float] {
      try name.map(parameter) ?? [Float](repeating: standIn, count: count)
    }
    guard let input = inputs.first else { throw Failure(.internalError, "an operation has no input") }
    switch self {
    case .convolution(let convolution):
      return convolution.gather(
        input, shape: shape, weight: try parameter(convolution.weight),
        bias: try optional(convolution.bias, 0, count: convolution.outputChannels))
    case .transposedConvolution(let convolution):
      return convolution.scatter(
        input, shape: shape, weight: try parameter(convolution.weight),
        bias: try optional(convolution.bias, 0, count: convolution.outputChannels))
    case .instanceNorm(let norm):
      return input.normalized(
        groups: norm.channels, epsilon: norm.epsilon, scale: try optional(norm.scale, 1, count: norm.channels),
        shift: try optional(norm.shift, 0, count: norm.channels))
    case .groupNorm(let norm, let groups):
      return input.normalized(
        groups: groups, epsilon: norm.epsilon, scale: try optional(norm.scale, 1, count: norm.channels),
        shift: try optional(norm.shift, 0, count: norm.channels))
    case .batchNorm(let norm, let mean, let variance):
      return input.normalized(
        mean: try parameter(mean), variance: try parameter(variance), epsilon: norm.epsilon,
        scale: try optional(norm.scale, 1, count: norm.channels),
        shift: try optional(norm.shift, 0, count: norm.channels))
    case .leakyReLU(let slope):
      return ReferenceArray(
        shape: shape, values: input.values.map { $0 > 0 ? $0 : Float(slope * Double($0)) })
    case .add:
      var sum = input
      for other in inputs.dropFirst() {
        for index in sum.values.indices { sum.values[index] += other.values[index] }
      }
      return sum
    case .concatenation:
      var values: [Float] = []
      for sample in 0..<shape[0] {
        for input in inputs {
          let size = input.channels * input.voxels
          values += input.values[sample * size..<(sample + 1) * size]
        }
      }
      return ReferenceArray(shape: shape, values: values)
    case .averagePooling(let window): return input.pooled(window: window, shape: shape)
    case .upsampling(let factors, let interpolation):
      return input.enlarged(factors: factors, interpolation, shape: shape)
    case .dropout: return input
    }
  }
}

/// Three sizes whatever the rank: two-dimensional arrays are volumes of one slice.
func threeAxes(_ sizes: some Collection<Int>, filling: Int) -> [Int] {
  [Int](repeating: filling, count: 3 - sizes.count) + sizes
}

extension Graph.Operation.Interpolation {
  /// The two neighbours of position `index` of an axis enlarged by `factor` from `size`, and the weight of the second.
  func neighbours(_ index: Int, factor: Int, size: Int) -> (Int, Int, Double) {
    if self == .nearest { return (index / factor, index / factor, 0) }
    // Voxel centres coincide; beyond the outermost centres the border value continues.
    let position = max(0, (Double(index) + 0.5) / Double(factor) - 0.5)
    let low = min(Int(position), size - 1)
    return (low, min(low + 1, size - 1), position - Double(low))
  }
}

extension ReferenceArray {
  /// Calls `body` for every voxel of a grid of three axes, in C order.
  static func forEachVoxel(_ sizes: [Int], _ body: (_ z: Int, _ y: Int, _ x: Int) -> Void) {
    for z in 0..<sizes[0] { for y in 0..<sizes[1] { for x in 0..<sizes[2] { body(z, y, x) } } }
  }

  fileprivate func normalized(groups: Int, epsilon: Double, scale: [Float], shift: [Float]) -> ReferenceArray {
    var result = self
    let channelsPerGroup = channels / groups
    let size = channelsPerGroup * voxels
    for sample in 0..<shape[0] {
      for group in 0..<groups {
        let start = (sample * groups + group) * size
        let range = start..<start + size
        let mean = values[range].reduce(0.0) { $0 + Double($1) } / Double(size)
        let variance = values[range].reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(size)
        let factor = 1 / (variance + epsilon).squareRoot()
        for index in range {
          let channel = group * channelsPerGroup + (index - start) / voxels
          result.values[index] = Float(
            (Double(values[index]) - mean) * factor * Double(scale[channel]) + Double(shift[channel]))
        }
      }
    }
    return result
  }

  fileprivate func normalized(
    mean: [Float], variance: [Float], epsilon: Double, scale: [Float], shift: [Float]
  ) -> ReferenceArray {
    var result = self
    for index in values.indices {
      let channel = index / voxels % channels
      let factor = Double(scale[channel]) / (Double(variance[channel]) + epsilon).squareRoot()
      result.values[index] = Float((Double(values[index]) - Double(mean[channel])) * factor + Double(shift[channel]))
    }
    return result
  }

  fileprivate func pooled(window: [Int], shape: [Int]) -> ReferenceArray {
    let from = threeAxes(self.shape[2...], filling: 1)
    let to = threeAxes(shape[2...], filling: 1)
    let window = threeAxes(window, filling: 1)
    let count = Double(window.reduce(1, *))
    var result: [Float] = []
    for plane in 0..<shape[0] * shape[1] {
      Self.forEachVoxel(to) { z, y, x in
        var sum = 0.0
        Self.forEachVoxel(window) { dz, dy, dx in
          let voxel = ((z * window[0] + dz) * from[1] + y * window[1] + dy) * from[2] + x * window[2] + dx
          sum += Double(values[plane * voxels + voxel])
        }
        result.append(Float(sum / count))
      }
    }
    return ReferenceArray(shape: shape, values: result)
  }

  fileprivate func enlarged(
    factors: [Int], _ interpolation: Graph.Operation.Interpolation, shape: [Int]
  ) -> ReferenceArray {
    let from = threeAxes(self.shape[2...], filling: 1)
    let to = threeAxes(shape[2...], filling: 1)
    let factors = threeAxes(factors, filling: 1)
    func neighbours(_ index: Int, _ axis: Int) -> (Int, Int, Double) {
      interpolation.neighbours(index, factor: factors[axis], size: from[axis])
    }
    var result: [Float] = []
    for plane in 0..<shape[0] * shape[1] {
      Self.forEachVoxel(to) { z, y, x in
        let (z0, z1, wz) = neighbours(z, 0)
        let (y0, y1, wy) = neighbours(y, 1)
        let (x0, x1, wx) = neighbours(x, 2)
        func at(_ z: Int, _ y: Int, _ x: Int) -> Double {
          Double(values[plane * voxels + (z * from[1] + y) * from[2] + x])
        }
        func row(_ z: Int, _ y: Int) -> Double { at(z, y, x0) * (1 - wx) + at(z, y, x1) * wx }
        func slice(_ z: Int) -> Double { row(z, y0) * (1 - wy) + row(z, y1) * wy }
        result.append(Float(slice(z0) * (1 - wz) + slice(z1) * wz))
      }
    }
    return ReferenceArray(shape: shape, values: result)
  }
}

extension Graph.Operation.Convolution {
  /// The convolution proper: every voxel of the result is a weighted sum over its neighbourhood in the input.
  fileprivate func gather(
    _ input: ReferenceArray, shape: [Int], weight: [Float], bias: [Float]
  ) -> ReferenceArray {
    let from = threeAxes(input.shape[2...], filling: 1)
    let to = threeAxes(shape[2...], filling: 1)
    let kernel = threeAxes(self.kernel, filling: 1)
    let stride = threeAxes(self.stride, filling: 1)
    let padding = threeAxes(self.padding, filling: 0)
    let taps = kernel.reduce(1, *)
    var result: [Float] = []
    for sample in 0..<shape[0] {
      for output in 0..<outputChannels {
        ReferenceArray.forEachVoxel(to) { z, y, x in
          var sum = Double(bias[output])
          for channel in 0..<inputChannels {
            let plane = (sample * inputChannels + channel) * input.voxels
            let weights = (output * inputChannels + channel) * taps
            ReferenceArray.forEachVoxel(kernel) { kz, ky, kx in
              let (iz, iy, ix) = (
                z * stride[0] + kz - padding[0], y * stride[1] + ky - padding[1], x * stride[2] + kx - padding[2]
              )
              guard 0..<from[0] ~= iz, 0..<from[1] ~= iy, 0..<from[2] ~= ix else { return }
              sum +=
                Double(weight[weights + (kz * kernel[1] + ky) * kernel[2] + kx])
                * Double(input.values[plane + (iz * from[1] + iy) * from[2] + ix])
            }
          }
          result.append(Float(sum))
        }
      }
    }
    return ReferenceArray(shape: shape, values: result)
  }

  /// The transposed convolution: every voxel of the input is spread over a neighbourhood in the result.
  fileprivate func scatter(
    _ input: ReferenceArray, shape: [Int], weight: [Float], bias: [Float]
  ) -> ReferenceArray {
    let from = threeAxes(input.shape[2...], filling: 1)
    let to = threeAxes(shape[2...], filling: 1)
    let kernel = threeAxes(self.kernel, filling: 1)
    let stride = threeAxes(self.stride, filling: 1)
    let padding = threeAxes(self.padding, filling: 0)
    let taps = kernel.reduce(1, *)
    var result: [Float] = []
    for sample in 0..<shape[0] {
      for output in 0..<outputChannels {
        var sums = [Double](repeating: Double(bias[output]), count: to.reduce(1, *))
        for channel in 0..<inputChannels {
          let plane = (sample * inputChannels + channel) * input.voxels
          let weights = (channel * outputChannels + output) * taps
          ReferenceArray.forEachVoxel(from) { z, y, x in
            let value = Double(input.values[plane + (z * from[1] + y) * from[2] + x])
            ReferenceArray.forEachVoxel(kernel) { kz, ky, kx in
              let (oz, oy, ox) = (
                z * stride[0] + kz - padding[0], y * stride[1] + ky - padding[1], x * stride[2] + kx - padding[2]
              )
              guard 0..<to[0] ~= oz, 0..<to[1] ~= oy, 0..<to[2] ~= ox else { return }
              sums[(oz * to[1] + oy) * to[2] + ox] +=
                value * Double(weight[weights + (kz * kernel[1] + ky) * kernel[2] + kx])
            }
          }
        }
        result += sums.map(Float.init)
      }
    }
    return ReferenceArray(shape: shape, values: result)
  }
}
