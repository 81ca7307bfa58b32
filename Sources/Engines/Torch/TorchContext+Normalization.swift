import Basics
import CKernels
import Networks

/// Which voxels share a mean and a variance.
enum TorchNormalization {
  /// Of a sample, this many groups of channels.
  case groups(Int)
  /// Of a channel, all samples.
  case batch
  /// Nobody: the mean and the variance are given, by channel.
  case fixed(mean: [Float], variance: [Float])
}

/// What the way back through a normalisation needs.
enum TorchNormalizationRecord {
  /// For each sample and channel: the normalised value is (x - mean) * factor.
  case own(input: TorchTensor, means: [Float], factors: [Float], scales: [Float], shifts: [Float])
  /// As PyTorch's operators hand them out; `result` is that of the activation behind.
  case library(input: TorchTensor, mean: TorchTensor, factor: TorchTensor, result: TorchTensor?)
}

extension TorchContext {
  /// For each sample and channel, mean and sum of squared deviations.
  private func moments(_ input: TorchTensor) throws -> (means: [Double], deviations: [Double]) {
    let (channels, voxels) = (input.shape[1], input.shape[2...].reduce(1, *))
    let x = UnsafePointer(try input.values)
    let sums = sum(samples: input.shape[0], channels: channels, voxels: voxels) { sample, range, first, second in
      let start = x + sample * voxels * channels
      mt_channel_sums(start + range.lowerBound * channels, start, range.count, channels, first, second)
    }
    var means = sums.first
    var deviations = sums.second
    for index in means.indices {
      let (sample, channel) = (index / channels, index % channels)
      means[index] = sums.first[index] / Double(voxels)
      deviations[index] = max(0, sums.second[index] - sums.first[index] * means[index])
      means[index] += Double(x[sample * voxels * channels + channel])
    }
    return (means, deviations)
  }

  /// The sum of each channel over all samples and voxels.
  func channelSums(_ input: TorchTensor) throws -> [Float] {
    let (channels, voxels) = (input.shape[1], input.shape[2...].reduce(1, *))
    let x = UnsafePointer(try input.values)
    let zeros = [Float](repeating: 0, count: channels)
    let sums = sum(samples: input.shape[0], channels: channels, voxels: voxels) { sample, range, first, second in
      zeros.withUnsafeBufferPointer { zeros in
        guard let zeros = zeros.baseAddress else { return }
        let start = x + (sample * voxels + range.lowerBound) * channels
        mt_channel_sums(start, zeros, range.count, channels, first, second)
      }
    }
    return (0..<channels).map { channel in
      Float(stride(from: channel, to: sums.first.count, by: channels).reduce(0) { $0 + sums.first[$1] })
    }
  }

  /// Two sums for each sample and channel, of which `body` adds up those of some voxels of one sample.
  private func sum(
    samples: Int, channels: Int, voxels: Int,
    _ body: (_ sample: Int, Range<Int>, UnsafeMutablePointer<Double>, UnsafeMutablePointer<Double>) -> Void
  ) -> (first: [Double], second: [Double]) {
    let pieces = max(1, min(8, voxels * channels / (1 << 15)))
    let size = samples * channels
    var partial = [Double](repeating: 0, count: 2 * size * pieces)
    partial.withUnsafeMutableBufferPointer { partial in
      guard let base = partial.baseAddress else { return }
      library.parallel(samples * pieces) { tasks in
        for task in tasks {
          let (sample, piece) = (task / pieces, task % pieces)
          let to = base + 2 * (piece * size + sample * channels)
          body(sample, voxels * piece / pieces..<voxels * (piece + 1) / pieces, to, to + channels)
        }
      }
    }
    var (first, second) = ([Double](repeating: 0, count: size), [Double](repeating: 0, count: size))
    for piece in 0..<pieces {
      for index in 0..<size {
        let position = 2 * (piece * size + index / channels * channels) + index % channels
        first[index] += partial[position]
        second[index] += partial[position + channels]
      }
    }
    return (first, second)
  }

  /// The number of the statistics that sample and channel `index` has a part in, and how many share it.
  private func sharing(_ kind: TorchNormalization, shape: [Int]) -> (group: (Int) -> Int, members: Int) {
    let channels = shape[1]
    switch kind {
    case .groups(let groups):
      let width = channels / groups
      return ({ $0 / channels * groups + $0 % channels / width }, width)
    case .batch, .fixed: return ({ $0 % channels }, shape[0])
    }
  }

  /// Normalises, scales, shifts and activates (`slope` 1: not) with kernels of our own.
  ///
  /// - Returns: the result, what the way back needs, and, of `.batch`, each channel's mean and unbiased variance.
  func normalized(
    _ input: TorchTensor, _ kind: TorchNormalization, epsilon: Double, scale: UnsafePointer<Float>?,
    shift: UnsafePointer<Float>?, slope: Double
  ) throws -> (
    result: TorchTensor, record: TorchNormalizationRecord, statistics: (means: [Double], variances: [Double])
  ) {
    let (samples, channels, voxels) = (input.shape[0], input.shape[1], input.shape[2...].reduce(1, *))
    let size = samples * channels
    var means = [Float](repeating: 0, count: size)
    var factors = means
    var statistics: (means: [Double], variances: [Double]) = ([], [])
    if case .fixed(let mean, let variance) = kind {
      for index in 0..<size {
        means[index] = mean[index % channels]
        factors[index] = Float(1 / (Double(variance[index % channels]) + epsilon).squareRoot())
      }
    } else {
      let own = try moments(input)
      let (group, members) = sharing(kind, shape: input.shape)
      let count = (0..<size).map(group).max().map { $0 + 1 } ?? 0
      var shared = [Double](repeating: 0, count: count)
      var variances = shared
      for index in 0..<size { shared[group(index)] += own.means[index] / Double(members) }
      for index in 0..<size {
        let distance = own.means[index] - shared[group(index)]
        variances[group(index)] += own.deviations[index] + distance * distance * Double(voxels)
      }
      let total = Double(members * voxels)
      for index in 0..<size {
        means[index] = Float(shared[group(index)])
        factors[index] = Float(1 / (variances[group(index)] / total + epsilon).squareRoot())
      }
      if case .batch = kind { statistics = (shared, variances.map { $0 / max(1, total - 1) }) }
    }
    let scales = (0..<size).map { factors[$0] * (scale?[$0 % channels] ?? 1) }
    let shifts = (0..<size).map { (shift?[$0 % channels] ?? 0) - means[$0] * scales[$0] }
    let result = try empty(input.shape)
    let (x, y) = (try input.values, try result.values)
    forVoxels(samples, voxels, channels) { sample, range in
      let offset = (sample * voxels + range.lowerBound) * channels
      scales.withUnsafeBufferPointer { a in
        shifts.withUnsafeBufferPointer { b in
          guard let a = a.baseAddress, let b = b.baseAddress else { return }
          mt_channel_affine(
            x + offset, y + offset, range.count, channels, a + sample * channels, b + sample * channels, Float(slope))
        }
      }
    }
    return (
      result, .own(input: input, means: means, factors: factors, scales: scales, shifts: shifts), statistics
    )
  }

  /// The gradients of input, scale and shift; reuses the memory of `gradient` if nobody else has it.
  func normalizationGradients(
    _ gradient: inout TorchTensor, input: TorchTensor, _ kind: TorchNormalization,
    means: [Float], factors: [Float], scales: [Float], shifts: [Float], slope: Double
  ) throws -> (input: TorchTensor, scale: [Float], shift: [Float]) {
    let (samples, channels, voxels) = (input.shape[0], input.shape[1], input.shape[2...].reduce(1, *))
    let size = samples * channels
    let target = isKnownUniquelyReferenced(&gradient) ? gradient : try empty(gradient.shape)
    let (x, dy, dx) = (UnsafePointer(try input.values), UnsafePointer(try gradient.values), try target.values)
    let memory = HostMemory(means + scales + shifts + [Float](repeating: 0, count: 3 * size))
    guard let base = memory.values.baseAddress else { return (target, [], []) }
    let (m, a, b) = (base, base + size, base + 2 * size)
    let (p, q, r) = (base + 3 * size, base + 4 * size, base + 5 * size)
    let sums = sum(samples: samples, channels: channels, voxels: voxels) { sample, range, first, second in
      let (offset, row) = ((sample * voxels + range.lowerBound) * channels, sample * channels)
      mt_channel_gradient_sums(
        x + offset, dy + offset, range.count, channels, a + row, b + row, m + row, Float(slope), first, second)
    }
    let (group, members) = sharing(kind, shape: input.shape)
    let count = (0..<size).map(group).max().map { $0 + 1 } ?? 0
    var (direct, product) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
    var (scaleGradient, shiftGradient) = (
      [Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels)
    )
    for index in 0..<size {
      let normalized = sums.second[index] * Double(factors[index])
      // scales are factor * scale
      let scale = Double(scales[index]) / Double(factors[index])
      direct[group(index)] += scale * sums.first[index]
      product[group(index)] += scale * normalized
      scaleGradient[index % channels] += normalized
      shiftGradient[index % channels] += sums.first[index]
    }
    let total = Double(members * voxels)
    for index in 0..<size {
      let factor = Double(factors[index])
      p[index] = scales[index]
      q[index] = Float(-factor * direct[group(index)] / total)
      r[index] = Float(-factor * factor * product[group(index)] / total)
    }
    forVoxels(samples, voxels, channels) { sample, range in
      let (offset, row) = ((sample * voxels + range.lowerBound) * channels, sample * channels)
      mt_channel_gradient(
        x + offset, dy + offset, dx + offset, range.count, channels, a + row, b + row, m + row, Float(slope),
        p + row, q + row, r + row)
    }
    return (target, scaleGradient.map(Float.init), shiftGradient.map(Float.init))
  }

  /// Calls `body` with parts of the voxels of every sample, in parallel.
  private func forVoxels(
    _ samples: Int, _ voxels: Int, _ channels: Int, _ body: (_ sample: Int, Range<Int>) -> Void
  ) {
    let pieces = max(1, min(8, voxels * channels / (1 << 15)))
    library.parallel(samples * pieces) { tasks in
      for task in tasks {
        let piece = task % pieces
        body(task / pieces, voxels * piece / pieces..<voxels * (piece + 1) / pieces)
      }
    }
  }
}

// MARK: PyTorch's operators

extension TorchContext {
  private func groupArguments(_ shape: [Int], groups: Int) -> [TorchArgument] {
    [.integer(shape[0]), .integer(shape[1]), .integer(shape[2...].reduce(1, *)), .integer(groups)]
  }

  /// Group normalisation (instance normalisation: every channel a group) and activation.
  func groupNormalized(
    _ input: TorchTensor, groups: Int, epsilon: Double, scale: TorchTensor?, shift: TorchTensor?, slope: Double
  ) throws -> (TorchTensor, TorchNormalizationRecord) {
    let input = try arranged(input)
    let results = try library.call(
      "aten::native_group_norm",
      [.tensor(input), .optionalTensor(scale), .optionalTensor(shift)] + groupArguments(input.shape, groups: groups)
        + [.number(epsilon)], keeping: [true, true, true])
    return try record(input, results, slope: slope)
  }

  func groupNormalizationGradients(
    _ gradient: TorchTensor, groups: Int, input: TorchTensor, mean: TorchTensor, factor: TorchTensor,
    scale: TorchTensor?
  ) throws -> [TorchTensor?] {
    let wanted = [true, scale != nil, scale != nil]
    return try library.call(
      "aten::native_group_norm_backward",
      [.tensor(gradient), .tensor(input), .tensor(mean), .tensor(factor), .optionalTensor(scale)]
        + groupArguments(input.shape, groups: groups) + [.truths(wanted)], keeping: wanted)
  }

  /// Batch normalisation and activation; while training, PyTorch updates the running statistics in place.
  func batchNormalized(
    _ input: TorchTensor, epsilon: Double, parameters: [TorchTensor?], isTraining: Bool, slope: Double
  ) throws -> (TorchTensor, TorchNormalizationRecord) {
    let results = try library.call(
      "aten::native_batch_norm",
      [.tensor(input)] + parameters.map { .optionalTensor($0) } + [.truth(isTraining), .number(0.1), .number(epsilon)],
      keeping: [true, isTraining, isTraining])
    return try record(input, results, slope: slope)
  }

  func batchNormalizationGradients(
    _ gradient: TorchTensor, epsilon: Double, input: TorchTensor, mean: TorchTensor, factor: TorchTensor,
    parameters: [TorchTensor?]
  ) throws -> [TorchTensor?] {
    let wanted = [true, parameters[0] != nil, parameters[0] != nil]
    return try library.call(
      "aten::native_batch_norm_backward",
      [
        .tensor(gradient), .tensor(input), .optionalTensor(parameters[0]), .optionalTensor(parameters[2]),
        .optionalTensor(parameters[3]), .optionalTensor(mean), .optionalTensor(factor), .truth(true), .number(epsilon),
        .truths(wanted),
      ], keeping: wanted)
  }

  private func record(
    _ input: TorchTensor, _ results: [TorchTensor?], slope: Double
  ) throws -> (TorchTensor, TorchNormalizationRecord) {
    guard let plain = results[0] else { throw Failure(.engine, "PyTorch's normalisation has returned nothing") }
    let result = slope == 1 ? plain : try activated(plain, slope: slope)
    return (
      result,
      .library(
        input: input, mean: results[1] ?? plain, factor: results[2] ?? plain, result: slope == 1 ? nil : result)
    )
  }
}
