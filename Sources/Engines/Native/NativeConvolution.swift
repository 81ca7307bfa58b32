import Basics
import CKernels
import Checkpoints
import Networks

/// A convolution with its weights in the order in which the kernels read them, and how it is cut into items.
struct NativeConvolution: Sendable {
  /// (Z, Y, X)
  let kernel: [Int]
  let stride: [Int]
  let padding: [Int]
  let cut: NativeCut
  let outputBlocks: Int
  let weights: AlignedFloats
  /// Whether products are of bfloat16.
  let isBF16: Bool
  let bias: AlignedFloats?

  /// - Parameters:
  ///   - step: a convolution or an enlargement.
  ///   - workers: how many items are to run at the same time.
  ///   - isBF16: whether products are to be of bfloat16, where that saves time.
  init(_ step: NativeStep, network: Network, workers: Int, isBF16: Bool) throws {
    let source: Graph.Operation.Convolution
    var isEnlargement = false
    switch step.operation {
    case .convolution(let convolution): source = convolution
    case .enlargement(let convolution):
      source = convolution
      isEnlargement = true
    default: throw Failure(.internalError, "a step without weights")
    }
    let kernel = NativePlan.axes(source.kernel, filler: 1)
    let stride = NativePlan.axes(source.stride, filler: 1)
    let padding = NativePlan.axes(source.padding, filler: 0)
    let isImage = step.inputs.contains { $0.array == nil }
    let inputBlocks = isImage ? source.inputChannels : step.inputs.map(\.blocks).reduce(0, +)
    guard kernel.reduce(inputBlocks, *) <= MT_MOST_PLACES else {
      throw NativePlan.refusal("convolutions of so many values")
    }
    guard let values = network.weights[source.weight]?.floats() else {
      throw Failure(.internalError, "\(source.weight) is missing")
    }
    let isBF16 = isBF16 && !isImage
    self.isBF16 = isBF16
    let shape = WeightShape(
      outputs: source.outputChannels, inputs: isImage ? [source.inputChannels] : step.inputs.map(\.channels),
      kernel: kernel, isBF16: isBF16)
    let isSquare = kernel[1...] == [3, 3] && padding[1...] == [1, 1] && stride == [1, 1, 1]
    if isEnlargement {
      cut = NativeCut(tile: 0, slices: 1, rows: 1)
      weights = shape.enlargement(values)
    } else if isSquare, !isImage {
      cut = NativeCut(tilesOf: step, workers: workers, weightBytes: isBF16 ? 2 : 4)
      weights = shape.tiles(values, tile: cut.tile)
    } else {
      cut = NativeCut(rows: step.outputSize, workers: workers)
      weights = shape.rows(values)
    }
    let blocks = NativePlan.blocks(of: source.outputChannels)
    bias = source.bias.flatMap { network.weights[$0] }.map { tensor in
      AlignedFloats(count: blocks * NativePlan.lanes) { _ = $0.update(fromContentsOf: tensor.floats()) }
    }
    outputBlocks = blocks
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }
}

/// How a convolution is cut into items that run side by side.
struct NativeCut: Sendable, Equatable {
  /// The edge of the squares that Winograd's method makes at once; 0 multiplies one by one.
  var tile: Int
  /// The slices of an item.
  var slices: Int
  /// The rows of an item, of tiles if there are any.
  var rows: Int

  private static let mostWeightBytes = 16 << 20

  init(tile: Int, slices: Int, rows: Int) {
    self.tile = tile
    self.slices = slices
    self.rows = rows
  }

  /// Voxels one by one, so many that a product has enough rows and that there is an item for every worker.
  ///
  /// - Parameter size: of the result (Z, Y, X).
  init(rows size: [Int], workers: Int) {
    self.init(tile: 0, slices: size[0], rows: min(size[1], max(1, 256 / size[2])))
    slices = min(size[0], max(1, 256 / (rows * size[2])))
    shrink(of: size[1], slices: size[0], workers: workers)
  }

  /// Tiles, so many that a product has enough rows and that there is an item for every worker.
  ///
  /// - Parameter weightBytes: what one weight takes.
  init(tilesOf step: NativeStep, workers: Int, weightBytes: Int) {
    let size = step.outputSize
    func tiles(_ tile: Int) -> (rows: Int, columns: Int) { ((size[1] + tile - 1) / tile, (size[2] + tile - 1) / tile) }
    /// Multiplications, and weights, whose reading is like so many more tiles.
    func cost(_ tile: Int) -> Int {
      let (rows, columns) = tiles(tile)
      return (tile + 2) * (tile + 2) * (rows * columns * size[0] + 40)
    }
    // Deep layers have few voxels and most of the weights, which become four times as many for tiles of 4.
    let channels = step.inputs.reduce(0) { $0 + $1.channels }
    let allWeightBytes = 36 * 3 * channels * step.outputChannels * weightBytes
    let tile = allWeightBytes <= Self.mostWeightBytes && cost(4) < cost(2) ? 4 : 2
    self.init(tiles: tile, size: size, workers: workers)
  }

  /// Squares of `tile`, in arrays of a size (Z, Y, X).
  init(tiles tile: Int, size: [Int], workers: Int) {
    let (tileRows, columns) = ((size[1] + tile - 1) / tile, (size[2] + tile - 1) / tile)
    // Every item makes tiles of two slices more than it has, so it should have many.
    let inSlice = min(tileRows, max(1, 32 / columns))
    self.init(tile: tile, slices: min(size[0], max(1, 256 / (inSlice * columns)), 8), rows: inSlice)
    shrink(of: tileRows, slices: size[0], workers: workers)
  }

  /// Cuts items in halves until there is one for every worker.
  private mutating func shrink(of allRows: Int, slices allSlices: Int, workers: Int) {
    func pieces(_ all: Int, _ part: Int) -> Int { (all + part - 1) / part }
    while pieces(allSlices, slices) * pieces(allRows, rows) < workers, slices > 1 || rows > 1 {
      if slices > 1 { slices = (slices + 1) / 2 } else { rows = (rows + 1) / 2 }
    }
  }
}
