import CKernels

/// The convolutions of a training step by Winograd's method: forward, and the gradients of input and weights.
///
/// It takes convolutions that change no size, of 3x3 in Y and X, between channels in sixteens. Arrays are (N, Z, Y, X, C) in
/// memory. In bf16 the factors of products are rounded to bfloat16, everything else is single precision.
final class WinogradTrainer {
  /// A convolution of one size of arrays.
  struct Shape {
    /// Along Z.
    var depth: Int
    var inputs: Int
    var outputs: Int
    var samples: Int
    /// (Z, Y, X)
    var size: [Int]

    /// nil for what this method does not do, or does not faster than a plain product.
    ///
    /// - Parameters:
    ///   - kernel: (Y, X) or (Z, Y, X), as are `stride` and `padding`.
    ///   - input: (N, C, Y, X) or (N, C, Z, Y, X)
    init?(kernel: [Int], stride: [Int], padding: [Int], input: [Int], outputs: Int) {
      let kernel = NativePlan.axes(kernel, filler: 1)
      guard kernel[1...] == [3, 3], kernel[0] % 2 == 1, stride.allSatisfy({ $0 == 1 }),
        NativePlan.axes(padding, filler: 0) == kernel.map({ ($0 - 1) / 2 }),
        input[1] % NativePlan.lanes == 0, outputs % NativePlan.lanes == 0
      else { return nil }
      self.init(
        depth: kernel[0], inputs: input[1], outputs: outputs, samples: input[0],
        size: NativePlan.axes(Array(input[2...]), filler: 1))
      // As measured: a tile costs as much as three voxels do in PyTorch, and making four times as many weights as much as 250.
      guard samples * voxels >= 3 * samples * size[0] * tileRows * tileColumns + 250 else { return nil }
    }

    init(depth: Int, inputs: Int, outputs: Int, samples: Int, size: [Int]) {
      self.depth = depth
      self.inputs = inputs
      self.outputs = outputs
      self.samples = samples
      self.size = size
    }

    /// The convolution that makes the input's gradient of the result's.
    var reversed: Shape { Shape(depth: depth, inputs: outputs, outputs: inputs, samples: samples, size: size) }

    var voxels: Int { size.reduce(1, *) }
    var tileRows: Int { (size[1] + WinogradTrainer.tile - 1) / WinogradTrainer.tile }
    var tileColumns: Int { (size[2] + WinogradTrainer.tile - 1) / WinogradTrainer.tile }
    /// The number of weights for Winograd's method.
    var weights: Int { (WinogradTrainer.tile + 2) * (WinogradTrainer.tile + 2) * depth * inputs * outputs }

    /// Where weights (output, input, kernel z, y, x) lie that have their inputs last.
    var strides: mt_weight_strides {
      mt_weight_strides(output: depth * 9 * inputs, input: 1, z: 9 * inputs, y: 3 * inputs, x: inputs)
    }
  }

  private static let tile = 4

  private let isBF16: Bool
  private let workers: Int
  private let parallel: (Int, (Range<Int>) -> Void) -> Void
  /// Weights for Winograd's method.
  private var weights = AlignedFloats(count: 0)
  private var pairs = AlignedFloats(count: 0)
  /// For each worker.
  private var scratch: [AlignedFloats]
  private var sums: [AlignedFloats]

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

  /// - Parameters:
  ///   - weights: (output, kernel z, y, x, input)
  ///   - bias: one for each output; nil for none.
  func forward(
    _ shape: Shape, _ input: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    into output: UnsafeMutablePointer<Float>
  ) {
    run(shape, input, weights: transformed(shape, weights, shape.strides), bias: bias, into: output)
  }

  /// - Parameter shape: of the forward pass.
  func inputGradient(
    _ shape: Shape, _ gradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>
  ) {
    let forward = shape.strides
    let backward = mt_weight_strides(
      output: forward.input, input: forward.output, z: -forward.z, y: -forward.y, x: -forward.x)
    let last = weights + ((shape.depth - 1) * forward.z + 2 * forward.y + 2 * forward.x)
    run(shape.reversed, gradient, weights: transformed(shape.reversed, last, backward), bias: nil, into: result)
  }

  /// - Parameters:
  ///   - gradient: of the result.
  ///   - result: (output, kernel z, y, x, input)
  func weightGradient(
    _ shape: Shape, _ input: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>
  ) {
    withConvolution(shape, input) { convolution in
      let items = mt_convolution_items(&convolution)
      let all = items * shape.samples
      // Which items a worker takes is fixed, so that sums are always the same.
      let workers = min(workers, all)
      reserve(mt_weight_gradient_scratch(&convolution), in: &scratch)
      reserve(mt_weight_gradient_sums(&convolution), in: &sums)
      let (convolution, scratch, sums) = (convolution, scratch, sums)
      parallel(workers) { some in
        for worker in some {
          var own = convolution
          guard let scratch = scratch[worker].address, let sums = sums[worker].address else { continue }
          sums.update(repeating: 0, count: mt_weight_gradient_sums(&own))
          for number in all * worker / workers..<all * (worker + 1) / workers {
            let sample = number / items
            var features = convolution.inputs.pointee
            features.values += sample * shape.voxels * shape.inputs
            withUnsafePointer(to: features) { features in
              own.inputs = features
              mt_weight_gradient_run(
                &own, gradient + sample * shape.voxels * shape.outputs, number % items, scratch, sums)
            }
          }
        }
      }
      let addresses = sums[..<workers].map { UnsafePointer($0.address) }
      parallel(shape.inputs / NativePlan.lanes) { blocks in
        var own = convolution
        for block in blocks {
          mt_weight_gradient_finish(&own, addresses, workers, block, result, shape.strides)
        }
      }
    }
  }

  private func run(
    _ shape: Shape, _ input: UnsafePointer<Float>, weights: UnsafeRawPointer?, bias: UnsafePointer<Float>?,
    into output: UnsafeMutablePointer<Float>
  ) {
    withConvolution(shape, input) { convolution in
      convolution.weights = weights
      convolution.bias = bias
      let items = mt_convolution_items(&convolution)
      reserve(mt_convolution_scratch(&convolution), in: &scratch)
      let (convolution, scratch) = (convolution, scratch)
      let all = items * shape.samples
      let workers = min(workers, all)
      parallel(workers) { some in
        for worker in some {
          var own = convolution
          guard let scratch = scratch[worker].address else { continue }
          for number in all * worker / workers..<all * (worker + 1) / workers {
            let sample = number / items
            var features = convolution.inputs.pointee
            features.values += sample * shape.voxels * shape.inputs
            own.output = output + sample * shape.voxels * shape.outputs
            withUnsafePointer(to: features) { features in
              own.inputs = features
              mt_convolution_run(&own, number % items, scratch)
            }
          }
        }
      }
    }
  }

  /// Calls `body` with the convolution of the first sample, without weights.
  private func withConvolution(
    _ shape: Shape, _ input: UnsafePointer<Float>, _ body: (inout mt_convolution) -> Void
  ) {
    let features = mt_features(values: input, channels: shape.inputs, scale: nil, shift: nil, slope: 1)
    withUnsafePointer(to: features) { features in
      var convolution = mt_convolution()
      convolution.inputs = features
      convolution.input_count = 1
      convolution.input_size = (shape.size[0], shape.size[1], shape.size[2])
      convolution.output_size = convolution.input_size
      convolution.kernel = (shape.depth, 3, 3)
      convolution.stride = (1, 1, 1)
      convolution.padding = ((shape.depth - 1) / 2, 1, 1)
      convolution.tile = Self.tile
      convolution.is_channels_last = 1
      convolution.is_bf16 = isBF16 ? 1 : 0
      convolution.output_blocks = shape.outputs / NativePlan.lanes
      let cut = NativeCut(tiles: Self.tile, size: shape.size, workers: max(1, workers / shape.samples))
      convolution.item_slices = cut.slices
      convolution.item_rows = cut.rows
      body(&convolution)
    }
  }

  private func transformed(
    _ shape: Shape, _ weights: UnsafePointer<Float>, _ strides: mt_weight_strides
  ) -> UnsafeRawPointer? {
    if self.weights.values.count < shape.weights { self.weights = AlignedFloats(count: shape.weights) }
    guard let rows = self.weights.address else { return nil }
    parallel(shape.outputs / NativePlan.lanes) { blocks in
      for block in blocks {
        mt_tile_weights(weights, strides, shape.outputs, shape.inputs, shape.depth, Self.tile, block, rows)
      }
    }
    guard isBF16 else { return UnsafeRawPointer(rows) }
    if pairs.values.count < shape.weights / 2 { pairs = AlignedFloats(count: shape.weights / 2) }
    return pairs.values.withMemoryRebound(to: UInt16.self) { pairs in
      guard let pairs = pairs.baseAddress else { return nil }
      // An even number of rows each.
      let lanes = NativePlan.lanes
      parallel(shape.weights / (2 * lanes)) { some in
        let first = some.lowerBound * 2 * lanes
        mt_pair_rows(rows + first, some.count * 2, pairs + first)
      }
      return UnsafeRawPointer(pairs)
    }
  }

  private func reserve(_ count: Int, in memory: inout [AlignedFloats]) {
    for index in memory.indices where memory[index].values.count < count { memory[index] = AlignedFloats(count: count) }
  }
}
