import Basics
import CKernels

/// Resizes (Y, X) slices one at a time, each on one thread.
struct PlaneResizer: Sendable {
  private enum Axes: Sendable {
    case cubic(y: CubicAxis?, x: CubicAxis?)
    case linear(y: LinearAxis, x: LinearAxis)
    case nearest(y: [Int32], x: [Int32])
  }

  /// Extents of a slice before and after.
  let input: (y: Int, x: Int)
  let output: (y: Int, x: Int)
  private let axes: Axes
  /// Columns filtered together: their coefficients should stay in the second-level cache.
  private let tile: Int

  /// - Parameters: the shapes before and after, of which only y and x matter, and how to interpolate in the plane.
  init(from input: Shape3D, to output: Shape3D, _ interpolation: Interpolation) {
    self.input = (input.y, input.x)
    self.output = (output.y, output.x)
    tile = ColumnTiles.width(samples: input.y)
    axes =
      switch interpolation {
      case .cubic: .cubic(y: .changing(input.y, output.y), x: .changing(input.x, output.x))
      case .linear:
        .linear(y: LinearAxis(input: input.y, output: output.y), x: LinearAxis(input: input.x, output: output.x))
      case .nearest:
        .nearest(
          y: ResampleTaps.nearest(input: input.y, output: output.y),
          x: ResampleTaps.nearest(input: input.x, output: output.x))
      }
  }

  var isIdentity: Bool { input == output }

  /// Doubles of scratch memory that `resize` needs.
  var scratchCount: Int {
    guard case .cubic(let y, let x) = axes else { return input.x }
    var kernel = mt_cubic_axis()
    var count = 0
    if let y {
      kernel = y.kernel(clip: unclipped)
      count = mt_cubic_columns_scratch(&kernel, tile)
    }
    if let x {
      kernel = x.kernel(clip: unclipped)
      count = max(count, mt_cubic_lines_scratch(&kernel))
    }
    return count + (y != nil && x != nil ? output.y * input.x : 0)
  }

  /// Resizes one slice. The range clips cubic results; other interpolations cannot overshoot.
  func resize(_ slice: Samples, into result: Samples, clip: ClosedRange<Double>, scratch: UnsafeMutablePointer<Double>)
  {
    if isIdentity { return slice.copy(to: result, count: output.y * output.x) }
    switch axes {
    case .cubic(let y, let x): cubic(slice, result, y, x, clip, scratch)
    case .linear(let y, let x): linear(slice, result, y, x, scratch)
    case .nearest(let y, let x): nearest(slice, result, y, x)
    }
  }

  private func cubic(
    _ slice: Samples, _ result: Samples, _ y: CubicAxis?, _ x: CubicAxis?, _ clip: ClosedRange<Double>,
    _ scratch: UnsafeMutablePointer<Double>
  ) {
    guard let x else {
      if let y { columns(slice, result, y, clip, scratch) }
      return
    }
    var lines = slice
    var free = scratch
    if let y {
      lines = Samples(scratch)
      free += output.y * input.x
      columns(slice, lines, y, unclipped, free)
    }
    var axis = x.kernel(clip: clip)
    mt_cubic_lines(lines.rows(stride: input.x), result.rows(stride: output.x), output.y, &axis, free)
  }

  private func columns(
    _ slice: Samples, _ result: Samples, _ y: CubicAxis, _ clip: ClosedRange<Double>,
    _ scratch: UnsafeMutablePointer<Double>
  ) {
    var axis = y.kernel(clip: clip)
    for column in stride(from: 0, to: input.x, by: tile) {
      mt_cubic_columns(
        slice.advanced(by: column).rows(stride: input.x), result.advanced(by: column).rows(stride: input.x),
        min(tile, input.x - column), &axis, scratch)
    }
  }

  private func linear(
    _ slice: Samples, _ result: Samples, _ y: LinearAxis, _ x: LinearAxis, _ scratch: UnsafeMutablePointer<Double>
  ) {
    let source = UnsafePointer(slice.base.assumingMemoryBound(to: Float.self))
    var axis = x.kernel
    for k in 0..<output.y {
      let rows = y.contributions(k)
      let pointers = rows.map { Optional(source + $0.index * input.x) }
      mt_linear_row(
        pointers, rows.map(\.weight), rows.count, &axis, scratch, result.advanced(by: k * output.x).base,
        result.isDouble)
    }
  }

  private func nearest(_ slice: Samples, _ result: Samples, _ y: [Int32], _ x: [Int32]) {
    let source = slice.base.assumingMemoryBound(to: Float.self)
    x.withUnsafeBufferPointer { x in
      for (k, row) in y.enumerated() {
        let from = source + Int(row) * input.x
        let to = result.advanced(by: k * output.x).base
        if result.isDouble {
          let to = to.assumingMemoryBound(to: Double.self)
          for i in x.indices { to[i] = Double(from[Int(x[i])]) }
        } else {
          let to = to.assumingMemoryBound(to: Float.self)
          for i in x.indices { to[i] = from[Int(x[i])] }
        }
      }
    }
  }
}

/// Cubic resizing along the slowest axis, for all voxels of a slice at once, on all cores.
enum ColumnTiles {
  /// How many columns of `samples` samples to filter together: a multiple of 16 whose coefficients take about 256 KiB.
  static func width(samples: Int) -> Int {
    let columns = 32_768 / max(1, samples + 4)
    return min(1024, max(16, columns / 16 * 16))
  }

  /// Resizes `source`, `axis.input` slices of `plane` voxels, into `axis.output` slices.
  static func resize(
    _ source: Samples, into result: Samples, plane: Int, axis: CubicAxis, clip: ClosedRange<Double>
  ) {
    let tile = width(samples: axis.input)
    let tiles = (plane + tile - 1) / tile
    Parallel.ranges(tiles) { range in
      var kernel = axis.kernel(clip: clip)
      let scratch = UnsafeMutablePointer<Double>.allocate(capacity: mt_cubic_columns_scratch(&kernel, tile))
      defer { scratch.deallocate() }
      for index in range {
        let column = index * tile
        mt_cubic_columns(
          source.advanced(by: column).rows(stride: plane), result.advanced(by: column).rows(stride: plane),
          min(tile, plane - column), &kernel, scratch)
      }
    }
  }
}
