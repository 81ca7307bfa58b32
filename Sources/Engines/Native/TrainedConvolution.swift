import CKernels

/// A convolution of a training step, for arrays of one size, as our own kernels compute it.
///
/// Arrays are (N, Z, Y, X, C) in memory, weights (output, kernel z, y, x, input).
struct TrainedConvolution: Equatable {
  /// (Z, Y, X)
  var kernel: [Int]
  var stride: [Int]
  var padding: [Int]
  var inputs: Int
  var outputs: Int
  var samples: Int
  /// (Z, Y, X)
  var inputSize: [Int]
  var outputSize: [Int]

  private static let lanes = NativePlan.lanes
  private static let tile = 4

  /// nil for what our kernels do not do: more than a few channels that do not come in sixteens.
  ///
  /// - Parameters:
  ///   - kernel: (Y, X) or (Z, Y, X), as are `stride` and `padding`.
  ///   - input: (N, C, Y, X) or (N, C, Z, Y, X)
  init?(kernel: [Int], stride: [Int], padding: [Int], input: [Int], outputs: Int) {
    self.kernel = NativePlan.axes(kernel, filler: 1)
    self.stride = NativePlan.axes(stride, filler: 1)
    self.padding = NativePlan.axes(padding, filler: 0)
    inputs = input[1]
    self.outputs = outputs
    samples = input[0]
    let size = NativePlan.axes(Array(input[2...]), filler: 1)
    inputSize = size
    outputSize = zip(zip(self.kernel, self.stride), zip(self.padding, size)).map { along, place in
      (place.1 + 2 * place.0 - along.0) / along.1 + 1
    }
    let blocks = isImage ? inputs : inputs / Self.lanes
    guard isImage || inputs % Self.lanes == 0, outputs % Self.lanes == 0 || isPointwise,
      (outputSize.min() ?? 0) > 0, self.kernel.reduce(blocks, *) <= MT_MOST_PLACES,
      // Every input then meets some place of the kernel.
      zip(self.kernel, self.stride).allSatisfy(>=), zip(self.kernel, self.padding).allSatisfy(>)
    else { return nil }
  }

  /// Few channels: an image rather than features.
  var isImage: Bool { inputs < 8 }

  /// From single voxels to few channels.
  var isPointwise: Bool {
    !isImage && outputs < Self.lanes && kernel == [1, 1, 1] && stride == [1, 1, 1] && padding == [0, 0, 0]
  }

  /// Whether there is a way back to the input.
  var reachesInput: Bool { !isImage }

  var inputVoxels: Int { inputSize.reduce(1, *) }
  var outputVoxels: Int { outputSize.reduce(1, *) }
  var outputBlocks: Int { outputs / Self.lanes }

  /// The squares that Winograd's method makes at once; 0 multiplies one by one.
  var tile: Int {
    guard !isImage, kernel[1...] == [3, 3], kernel[0] % 2 == 1, stride == [1, 1, 1],
      padding == kernel.map({ ($0 - 1) / 2 })
    else { return 0 }
    let edge = Self.tile
    let tiles = samples * outputSize[0] * ((outputSize[1] + edge - 1) / edge) * ((outputSize[2] + edge - 1) / edge)
    // As measured: a tile costs as much as three voxels one by one, and making four times as many weights as much as 250.
    return samples * outputVoxels >= 3 * tiles + 250 ? edge : 0
  }

  /// Where weights (output, kernel z, y, x, input) lie.
  var weightStrides: mt_weight_strides {
    let row = kernel[2] * inputs
    return mt_weight_strides(output: kernel[0] * kernel[1] * row, input: 1, z: kernel[1] * row, y: row, x: inputs)
  }

  /// The number of weights as the kernels want them.
  func weightCount(tile: Int) -> Int {
    (tile == 0 ? kernel[1] * kernel[2] : (tile + 2) * (tile + 2)) * kernel[0] * inputs * outputs
  }

  /// How many parts the gradient of the weights comes in.
  var gradientParts: Int { isImage ? inputs : inputs / Self.lanes }

  /// As the kernels take it: the first sample, without addresses.
  ///
  /// - Parameters:
  ///   - isBF16: not for images.
  ///   - workers: how many items are to run at the same time.
  func description(isBF16: Bool, workers: Int) -> mt_convolution {
    var result = mt_convolution()
    result.input_count = isImage ? 0 : 1
    result.image_channels = isImage ? inputs : 0
    result.image_strides = Self.strides(inputSize, channels: inputs, block: 1)
    result.input_size = Self.triple(inputSize)
    result.output_size = Self.triple(outputSize)
    result.kernel = Self.triple(kernel)
    result.stride = Self.triple(stride)
    result.padding = Self.triple(padding)
    result.tile = tile
    result.is_bf16 = isBF16 && !isImage ? 1 : 0
    result.output_blocks = outputBlocks
    result.output_strides = Self.strides(outputSize, channels: outputs)
    let cut =
      tile > 0
      ? NativeCut(tiles: tile, size: outputSize, workers: workers) : NativeCut(rows: outputSize, workers: workers)
    result.item_slices = cut.slices
    result.item_rows = cut.rows
    return result
  }

  var inputFeatures: mt_features {
    mt_features(
      values: nil, channels: inputs, strides: Self.strides(inputSize, channels: inputs), scale: nil, shift: nil,
      slope: 1
    )
  }

  var outputFeatures: mt_features {
    mt_features(
      values: nil, channels: outputs, strides: Self.strides(outputSize, channels: outputs), scale: nil, shift: nil,
      slope: 1)
  }

  private static func strides(_ size: [Int], channels: Int, block: Int = lanes) -> mt_strides {
    mt_strides(block: block, z: size[1] * size[2] * channels, y: size[2] * channels, x: channels)
  }

  private static func triple(_ list: [Int]) -> (Int, Int, Int) { (list[0], list[1], list[2]) }
}

// MARK: - The way back to the input

extension TrainedConvolution {
  /// A convolution of the result's gradient that makes some of the input's: the voxels from `start` on, a stride apart.
  struct Return: Equatable {
    var convolution: TrainedConvolution
    /// (Z, Y, X)
    var start: [Int]
    /// Where the first of its weights lies in those of the forward pass, and where the others do.
    var weightOffset: Int
    var weightStrides: mt_weight_strides

    static func == (one: Return, other: Return) -> Bool {
      one.convolution == other.convolution && one.start == other.start && one.weightOffset == other.weightOffset
    }
  }

  /// One for each way in which a voxel can lie between strides: along an axis a voxel at s j + r meets the places t of the
  /// kernel for which r + padding - t is a multiple of s.
  var returns: [Return] {
    let phases = (0..<stride.reduce(1, *)).map { number in
      [number / (stride[1] * stride[2]), number / stride[2] % stride[1], number % stride[2]]
    }
    return phases.compactMap(self.return)
  }

  private func `return`(phase: [Int]) -> Return? {
    var reversed = self
    (reversed.inputs, reversed.outputs) = (outputs, inputs)
    (reversed.inputSize, reversed.stride) = (outputSize, [1, 1, 1])
    let forward = weightStrides
    let steps = [forward.z, forward.y, forward.x]
    var offset = 0
    for axis in 0..<3 {
      let (s, q) = (stride[axis], phase[axis] + padding[axis])
      let taps = (kernel[axis] - q % s + s - 1) / s
      reversed.kernel[axis] = taps
      reversed.padding[axis] = taps - 1 - q / s
      reversed.outputSize[axis] = (inputSize[axis] - phase[axis] + s - 1) / s
      // The last place comes first.
      offset += (q % s + s * (taps - 1)) * steps[axis]
    }
    guard (reversed.outputSize.min() ?? 0) > 0 else { return nil }
    let weights = mt_weight_strides(
      output: forward.input, input: forward.output, z: -stride[0] * forward.z, y: -stride[1] * forward.y,
      x: -stride[2] * forward.x)
    return Return(convolution: reversed, start: phase, weightOffset: offset, weightStrides: weights)
  }
}
