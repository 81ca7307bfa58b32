import CKernels

/// The convolutions of a training step by our own kernels: forward, and the gradients of input and weights.
///
/// In bf16 the factors of products are rounded to bfloat16, everything else is single precision.
final class NativeTrainer {
  private let isBF16: Bool
  private let workers: Int
  private let parallel: (Int, (Range<Int>) -> Void) -> Void
  /// Weights in the order of the kernels.
  private var weights = AlignedFloats(count: 0)
  private var pairs = AlignedFloats(count: 0)
  /// For each worker.
  private var scratch: [AlignedFloats]
  private var sums: [AlignedFloats]

  private static let lanes = NativePlan.lanes

  /// - Parameters:
  ///   - workers: how many threads `parallel` has.
  ///   - parallel: calls its second argument with parts of the numbers below its first one, at the same time.
  init(isBF16: Bool, workers: Int, parallel: @escaping (Int, (Range<Int>) -> Void) -> Void) {
    self.isBF16 = isBF16
    self.workers = workers
    self.parallel = parallel
    scratch = (0..<workers).map { _ in AlignedFloats(count: 0) }
    sums = scratch
  }

  /// - Parameter bias: one for each output; nil for none.
  func forward(
    _ convolution: TrainedConvolution, _ input: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>
  ) {
    guard !convolution.isPointwise else {
      return forVoxels(convolution) { start, count in
        mt_pointwise(
          input + start * convolution.inputs, weights, bias, output + start * convolution.outputs, count,
          convolution.inputs, convolution.outputs)
      }
    }
    var description = description(convolution)
    description.weights = ordered(convolution, description, weights, convolution.weightStrides)
    description.bias = bias
    run(convolution, description, input, into: output, sampleSize: convolution.outputVoxels * convolution.outputs)
  }

  /// The gradient of the input, which also is what a transposed convolution makes of its input.
  ///
  /// - Parameters:
  ///   - gradient: of the result.
  ///   - bias: added to all voxels, one for each of the convolution's inputs; nil for none.
  func inputGradient(
    _ convolution: TrainedConvolution, _ gradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>? = nil, into result: UnsafeMutablePointer<Float>
  ) {
    guard !convolution.isPointwise else {
      return forVoxels(convolution) { start, count in
        mt_pointwise_input_gradient(
          gradient + start * convolution.outputs, weights, bias, result + start * convolution.inputs, count,
          convolution.inputs, convolution.outputs)
      }
    }
    let whole = convolution.inputFeatures.strides
    for part in convolution.returns {
      var description = description(part.convolution)
      description.weights = ordered(part.convolution, description, weights + part.weightOffset, part.weightStrides)
      description.bias = bias
      description.output_strides = mt_strides(
        block: whole.block, z: whole.z * convolution.stride[0], y: whole.y * convolution.stride[1],
        x: whole.x * convolution.stride[2])
      let start = part.start[0] * whole.z + part.start[1] * whole.y + part.start[2] * whole.x
      run(
        part.convolution, description, gradient, into: result + start,
        sampleSize: convolution.inputVoxels * convolution.inputs)
    }
  }

  /// - Parameters:
  ///   - gradient: of the result.
  ///   - result: as the weights.
  func weightGradient(
    _ convolution: TrainedConvolution, _ input: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>
  ) {
    guard !convolution.isPointwise else { return pointwiseGradient(convolution, input, gradient, into: result) }
    let whole = description(convolution)
    let (items, sumCount) = withInput(nil, whole, of: convolution) { description in
      reserve(mt_weight_gradient_scratch(&description), in: &self.scratch)
      return (mt_convolution_items(&description), mt_weight_gradient_sums(&description))
    }
    reserve(sumCount, in: &sums)
    let all = items * convolution.samples
    // Which items a worker takes is fixed, so that sums are always the same.
    let workers = min(workers, all)
    let (scratch, sums) = (scratch, sums)
    parallel(workers) { some in
      for worker in some {
        guard let scratch = scratch[worker].address, let sums = sums[worker].address else { continue }
        sums.update(repeating: 0, count: sumCount)
        for number in all * worker / workers..<all * (worker + 1) / workers {
          let sample = number / items
          var answer = convolution.outputFeatures
          answer.values = gradient + sample * convolution.outputVoxels * convolution.outputs
          withInput(input + sample * convolution.inputVoxels * convolution.inputs, whole, of: convolution) {
            mt_weight_gradient_run(&$0, &answer, number % items, scratch, sums)
          }
        }
      }
    }
    let addresses = sums[..<workers].map { UnsafePointer($0.address) }
    parallel(convolution.gradientParts) { parts in
      withInput(input, whole, of: convolution) { description in
        for part in parts {
          mt_weight_gradient_finish(&description, addresses, workers, part, result, convolution.weightStrides)
        }
      }
    }
  }

  private func pointwiseGradient(
    _ convolution: TrainedConvolution, _ input: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>
  ) {
    let (inputs, outputs) = (convolution.inputs, convolution.outputs)
    let voxels = convolution.samples * convolution.inputVoxels
    reserve(inputs * outputs, in: &sums)
    let sums = sums
    let workers = workers
    parallel(workers) { some in
      for worker in some {
        guard let sums = sums[worker].address else { continue }
        sums.update(repeating: 0, count: inputs * outputs)
        let start = voxels * worker / workers
        mt_pointwise_weight_gradient(
          input + start * inputs, gradient + start * outputs, sums, voxels * (worker + 1) / workers - start, inputs,
          outputs)
      }
    }
    for index in 0..<inputs * outputs { result[index] = sums[..<workers].reduce(0) { $0 + $1.values[index] } }
  }

  private func forVoxels(_ convolution: TrainedConvolution, _ body: (_ start: Int, _ count: Int) -> Void) {
    let voxels = convolution.samples * convolution.inputVoxels
    parallel(workers) { some in
      let start = voxels * some.lowerBound / workers
      body(start, voxels * some.upperBound / workers - start)
    }
  }

  /// - Parameter sampleSize: how far apart the results of samples lie.
  private func run(
    _ convolution: TrainedConvolution, _ description: mt_convolution, _ input: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, sampleSize: Int
  ) {
    let items = withInput(nil, description, of: convolution) { description in
      reserve(mt_convolution_scratch(&description), in: &self.scratch)
      return mt_convolution_items(&description)
    }
    let all = items * convolution.samples
    let workers = min(workers, all)
    let scratch = scratch
    parallel(workers) { some in
      for worker in some {
        guard let scratch = scratch[worker].address else { continue }
        for number in all * worker / workers..<all * (worker + 1) / workers {
          let sample = number / items
          var own = description
          own.output = output + sample * sampleSize
          withInput(input + sample * convolution.inputVoxels * convolution.inputs, own, of: convolution) {
            mt_convolution_run(&$0, number % items, scratch)
          }
        }
      }
    }
  }

  private func description(_ convolution: TrainedConvolution) -> mt_convolution {
    convolution.description(isBF16: isBF16, workers: max(1, workers / convolution.samples))
  }

  /// Calls `body` with a description that reads `values`.
  private func withInput<Result>(
    _ values: UnsafePointer<Float>?, _ description: mt_convolution, of convolution: TrainedConvolution,
    _ body: (inout mt_convolution) -> Result
  ) -> Result {
    var (description, features) = (description, convolution.inputFeatures)
    features.values = values
    description.image = values
    return withUnsafePointer(to: &features) { features in
      description.inputs = features
      return body(&description)
    }
  }

  /// Weights in the order in which the kernels read them.
  private func ordered(
    _ convolution: TrainedConvolution, _ description: mt_convolution, _ weights: UnsafePointer<Float>,
    _ strides: mt_weight_strides
  ) -> UnsafeRawPointer? {
    let tile = description.tile
    let count = convolution.weightCount(tile: tile)
    if self.weights.values.count < count { self.weights = AlignedFloats(count: count) }
    guard let rows = self.weights.address else { return nil }
    let kernel = convolution.kernel
    parallel(convolution.outputBlocks) { blocks in
      for block in blocks {
        if tile > 0 {
          mt_tile_weights(weights, strides, convolution.outputs, convolution.inputs, kernel[0], tile, block, rows)
        } else {
          mt_row_weights(weights, strides, convolution.outputs, convolution.inputs, kernel, block, rows)
        }
      }
    }
    guard description.is_bf16 != 0 else { return UnsafeRawPointer(rows) }
    if pairs.values.count < count / 2 { pairs = AlignedFloats(count: count / 2) }
    return pairs.values.withMemoryRebound(to: UInt16.self) { pairs in
      guard let pairs = pairs.baseAddress else { return nil }
      // An even number of rows each.
      parallel(count / (2 * Self.lanes)) { some in
        let first = some.lowerBound * 2 * Self.lanes
        mt_pair_rows(rows + first, some.count * 2, pairs + first)
      }
      return UnsafeRawPointer(pairs)
    }
  }

  private func reserve(_ count: Int, in memory: inout [AlignedFloats]) {
    for index in memory.indices where memory[index].values.count < count { memory[index] = AlignedFloats(count: count) }
  }
}
