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
  let bias: AlignedFloats?

  /// - Parameters:
  ///   - step: a convolution or an enlargement.
  ///   - workers: how many items are to run at the same time.
  init(_ step: NativeStep, network: Network, workers: Int) throws {
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
    guard kernel.reduce(1, *) <= 1024, source.inputChannels <= 8192 else {
      throw NativePlan.refusal("convolutions of so many values")
    }
    guard let values = network.weights[source.weight]?.floats() else {
      throw Failure(.internalError, "\(source.weight) is missing")
    }
    let shape = WeightShape(outputs: source.outputChannels, inputs: source.inputChannels, kernel: kernel)
    let isSquare = kernel[1...] == [3, 3] && padding[1...] == [1, 1] && stride == [1, 1, 1]
    if isEnlargement {
      cut = NativeCut(tile: 0, slices: 1, rows: 1)
      weights = shape.enlargement(values)
    } else if step.inputs.contains(where: { $0.array == nil }) {
      cut = NativeCut(rowsOf: step, valuesPerRow: kernel.reduce(source.inputChannels, *), workers: workers)
      weights = shape.image(values)
    } else if isSquare {
      cut = NativeCut(tilesOf: step, workers: workers)
      weights = shape.tiles(values, tile: cut.tile)
    } else {
      let lanes = step.inputs.map(\.blocks).reduce(0, +) * NativePlan.lanes
      cut = NativeCut(rowsOf: step, valuesPerRow: kernel.reduce(lanes, *), workers: workers)
      weights = shape.rows(values)
    }
    let blocks = (source.outputChannels + NativePlan.lanes - 1) / NativePlan.lanes
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
  /// With tiles: the slices of an item.
  var slices: Int
  /// With tiles the rows of tiles of an item, else its voxels.
  var rows: Int

  init(tile: Int, slices: Int, rows: Int) {
    self.tile = tile
    self.slices = slices
    self.rows = rows
  }

  /// Voxels one by one, so many that what they are made of stays in the cache next to a core.
  init(rowsOf step: NativeStep, valuesPerRow: Int, workers: Int) {
    // A product takes up to 28 rows.
    let step28 = 28
    var rows = min(max(step28, (512 << 10) / (valuesPerRow * 4) / step28 * step28), 16 * step28)
    let voxels = step.outputSize.reduce(1, *)
    while rows > step28, voxels < rows * workers * 2 { rows -= step28 }
    self.init(tile: 0, slices: 1, rows: rows)
  }

  /// Tiles, so many that a product has enough rows and that there is an item for every worker.
  init(tilesOf step: NativeStep, workers: Int) {
    let size = step.outputSize
    func tiles(_ tile: Int) -> (rows: Int, columns: Int) { ((size[1] + tile - 1) / tile, (size[2] + tile - 1) / tile) }
    /// Multiplications, and weights, whose reading is like so many more tiles.
    func cost(_ tile: Int) -> Int {
      let (rows, columns) = tiles(tile)
      return (tile + 2) * (tile + 2) * (rows * columns * size[0] + 40)
    }
    let tile = cost(4) < cost(2) ? 4 : 2
    let (tileRows, columns) = tiles(tile)
    var rows = min(tileRows, max(1, 32 / columns))
    var slices = min(size[0], max(1, 128 / (rows * columns)))
    func items() -> Int { (size[0] + slices - 1) / slices * ((tileRows + rows - 1) / rows) }
    while items() < workers, slices > 1 || rows > 1 {
      if slices > 1 { slices = (slices + 1) / 2 } else { rows = (rows + 1) / 2 }
    }
    self.init(tile: tile, slices: slices, rows: rows)
  }
}
