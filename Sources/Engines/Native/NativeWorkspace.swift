import Basics
import CKernels
import Dispatch
import Synchronization

/// What one pass at a time works in: the arrays of a plan, scratch memory, and the steps with all addresses filled in.
final class NativeWorkspace {
  private let plan: NativePlan
  /// The weights that `steps` points to.
  private let convolutions: [NativeConvolution?]
  private let workers: Int
  private let arrays: AlignedFloats
  private let affine: AlignedFloats
  private let statistics: AlignedFloats
  /// For each worker.
  private let scratch: [AlignedFloats]
  private let features: UnsafeMutableBufferPointer<mt_features>
  private let steps: UnsafeMutableBufferPointer<mt_convolution>
  /// What each output is made of.
  private let outputs: [[mt_features]]

  private static let lanes = NativePlan.lanes
  /// Voxels of an item of steps that go through memory once.
  private static let voxelsAtOnce = 4096

  init(_ plan: NativePlan, memory: NativeMemory, convolutions: [NativeConvolution?], workers: Int) {
    self.plan = plan
    self.convolutions = convolutions
    self.workers = workers
    arrays = AlignedFloats(count: memory.size)
    affine = AlignedFloats(count: plan.affine.count) { _ = $0.update(fromContentsOf: plan.affine) }
    let (arrays, affine) = (arrays, affine)
    func seen(_ features: NativeFeatures, size: [Int]) -> mt_features {
      let scale = features.affine.flatMap { affine.address?.advanced(by: $0) }
      return mt_features(
        values: features.array.flatMap { arrays.address?.advanced(by: memory.offsets[$0]) },
        channels: features.channels, strides: Self.strides(size), scale: scale,
        shift: scale?.advanced(by: features.blocks * Self.lanes),
        slope: features.slope)
    }
    // Where the inputs of each step begin.
    let firstFeatures = plan.steps.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.inputs.count) }
    features = .allocate(capacity: firstFeatures[plan.steps.count])
    _ = features.initialize(
      fromContentsOf: plan.steps.flatMap { step in step.inputs.map { seen($0, size: step.inputSize) } })
    outputs = zip(plan.outputs, plan.outputSizes).map { output, size in output.map { seen($0, size: size) } }
    steps = .allocate(capacity: plan.steps.count)
    var (mostScratch, mostStatistics) = (0, 0)
    for (index, step) in plan.steps.enumerated() {
      var convolution = mt_convolution()
      convolution.inputs = UnsafePointer(features.baseAddress?.advanced(by: firstFeatures[index]))
      convolution.input_count = step.inputs.count
      convolution.input_size = Self.triple(step.inputSize)
      convolution.output_size = Self.triple(step.outputSize)
      convolution.output_strides = Self.strides(step.outputSize)
      convolution.output = arrays.address?.advanced(by: memory.offsets[step.output])
      if let source = convolutions[index] {
        convolution.kernel = Self.triple(source.kernel)
        convolution.stride = Self.triple(source.stride)
        convolution.padding = Self.triple(source.padding)
        convolution.tile = source.cut.tile
        convolution.item_slices = source.cut.slices
        convolution.item_rows = source.cut.rows
        convolution.output_blocks = source.outputBlocks
        convolution.is_bf16 = source.isBF16 ? 1 : 0
        convolution.weights = UnsafeRawPointer(source.weights.address)
        convolution.bias = UnsafePointer(source.bias?.address)
        if step.inputs.contains(where: { $0.array == nil }) {
          convolution.input_count = 0
          convolution.image_channels = step.inputs[0].channels
          convolution.image_strides = Self.strides(step.inputSize, lanes: 1)
        }
      }
      steps.initializeElement(at: index, to: convolution)
      let items = Self.items(step, &convolution)
      if step.normalization != nil {
        mostStatistics = max(mostStatistics, items * NativePlan.blocks(of: step.outputChannels) * 4 * Self.lanes)
      }
      switch step.operation {
      case .convolution: mostScratch = max(mostScratch, mt_convolution_scratch(&convolution))
      case .enlargement: mostScratch = max(mostScratch, mt_enlargement_scratch(&convolution))
      default: break
      }
    }
    statistics = AlignedFloats(count: mostStatistics)
    scratch = (0..<workers).map { _ in AlignedFloats(count: mostScratch) }
    for index in steps.indices where plan.steps[index].normalization != nil {
      steps[index].statistics = statistics.address
    }
  }

  deinit {
    features.deallocate()
    steps.deallocate()
  }

  /// Of a blocked array of a size (Z, Y, X), or with one lane of an image's channels.
  private static func strides(_ size: [Int], lanes: Int = lanes) -> mt_strides {
    mt_strides(
      block: size[0] * size[1] * size[2] * lanes, z: size[1] * size[2] * lanes, y: size[2] * lanes, x: lanes)
  }

  private static func triple(_ list: [Int]) -> (Int, Int, Int) { (list[0], list[1], list[2]) }

  private static func items(_ step: NativeStep, _ convolution: inout mt_convolution) -> Int {
    let voxels = step.outputSize.reduce(1, *)
    return switch step.operation {
    case .convolution: mt_convolution_items(&convolution)
    case .enlargement: mt_enlargement_items(&convolution)
    case .pooling: NativePlan.blocks(of: step.outputChannels) * step.outputSize[0]
    case .sum, .statistics: (voxels + voxelsAtOnce - 1) / voxelsAtOnce
    }
  }

  /// Computes all outputs for one sample.
  ///
  /// - Parameters:
  ///   - image: (C, spatial axes...)
  ///   - results: for each output (K, spatial axes...), or with the channels last.
  func run(_ image: UnsafePointer<Float>, into results: [UnsafeMutablePointer<Float>], isChannelsLast: Bool) {
    for (index, step) in plan.steps.enumerated() {
      guard let convolution = steps.baseAddress?.advanced(by: index) else { return }
      if convolution.pointee.image_channels > 0 { convolution.pointee.image = image }
      let items = Self.items(step, &convolution.pointee)
      let source = Shared(UnsafePointer(convolution))
      switch step.operation {
      case .convolution:
        forEach(items) { item, scratch in mt_convolution_run(source.value, item, scratch) }
      case .enlargement:
        forEach(items) { item, scratch in mt_enlargement_run(source.value, item, scratch) }
      case .pooling(let window):
        forEach(items) { item, _ in
          let depth = step.outputSize[0]
          mt_features_pool(
            source.value.pointee.inputs, item / depth, step.inputSize, step.outputSize, window, item % depth,
            source.value.pointee.output)
        }
      case .sum:
        let voxels = step.outputSize.reduce(1, *)
        forEach(items) { item, _ in
          let start = item * Self.voxelsAtOnce
          let c = source.value.pointee
          mt_features_sum(c.inputs, c.input_count, voxels, start, min(voxels, start + Self.voxelsAtOnce), c.output)
        }
      case .statistics:
        let voxels = step.outputSize.reduce(1, *)
        let blocks = NativePlan.blocks(of: step.outputChannels)
        forEach(items) { item, _ in
          let start = item * Self.voxelsAtOnce
          let c = source.value.pointee
          for block in 0..<blocks {
            mt_features_statistics(
              c.inputs, block, voxels, start, min(voxels, start + Self.voxelsAtOnce),
              c.statistics?.advanced(by: (item * blocks + block) * 4 * Self.lanes))
          }
        }
      }
      if let normalization = step.normalization { finish(normalization, items: items) }
    }
    for (index, result) in results.enumerated() { write(index, to: result, isChannelsLast: isChannelsLast) }
  }

  /// Makes scale and shift of what the items have seen, in their order: the result does not depend on the threads.
  private func finish(_ normalization: NativeNormalization, items: Int) {
    let lanes = normalization.scale.count
    let blocks = lanes / Self.lanes
    for lane in 0..<lanes {
      var (count, mean, squares) = (0.0, 0.0, 0.0)
      for item in 0..<items {
        let place = (item * blocks + lane / Self.lanes) * 4 * Self.lanes + lane % Self.lanes
        let more = Double(statistics.values[place])
        guard more > 0 else { continue }
        let sum = Double(statistics.values[place + 2 * Self.lanes])
        let itemMean = Double(statistics.values[place + Self.lanes]) + sum / more
        let itemSquares = Double(statistics.values[place + 3 * Self.lanes]) - sum * sum / more
        // Chan, Golub and LeVeque's rule for the moments of two samples together.
        let difference = itemMean - mean
        squares += itemSquares + difference * difference * count * more / (count + more)
        mean += difference * more / (count + more)
        count += more
      }
      let scale =
        Double(normalization.scale[lane]) / (max(0, squares) / max(1, count) + normalization.epsilon).squareRoot()
      affine.values[normalization.affine + lane] = Float(scale)
      affine.values[normalization.affine + lanes + lane] = Float(Double(normalization.shift[lane]) - mean * scale)
    }
  }

  private func write(_ index: Int, to result: UnsafeMutablePointer<Float>, isChannelsLast: Bool) {
    let voxels = plan.outputSizes[index].reduce(1, *)
    let channels = plan.outputs[index].reduce(0) { $0 + $1.channels }
    let target = Shared(result)
    let isLast: Int32 = isChannelsLast ? 1 : 0
    var first = 0
    for part in outputs[index] {
      let part = Shared(part)
      let channel = first
      forEach((voxels + Self.voxelsAtOnce - 1) / Self.voxelsAtOnce) { item, _ in
        withUnsafePointer(to: part.value) { part in
          let start = item * Self.voxelsAtOnce
          let end = min(voxels, start + Self.voxelsAtOnce)
          mt_features_unblock(part, voxels, start, end, channel, channels, isLast, target.value)
        }
      }
      first += part.value.channels
    }
  }

  /// Calls `body` for every item, on this pass's threads, each of which has scratch memory of its own.
  private func forEach(_ items: Int, _ body: @Sendable (Int, UnsafeMutablePointer<Float>?) -> Void) {
    let workers = min(workers, items)
    guard workers > 1 else {
      for item in 0..<items { body(item, scratch[0].address) }
      return
    }
    let next = Atomic<Int>(0)
    let scratch = Shared(scratch.map(\.address))
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      while true {
        let item = next.add(1, ordering: .relaxed).oldValue
        guard item < items else { return }
        body(item, scratch.value[worker])
      }
    }
  }
}
