import CKernels

/// Finds the runs of a row.
struct RunScanner {
  let voxels: UnsafePointer<UInt8>
  let shape: Shape3D
  let isInverted: Bool
  /// Of 256 entries, or nil for a mask.
  let isSelected: [UInt8]?

  init(voxels: UnsafePointer<UInt8>, shape: Shape3D, foreground: ForegroundRuns.Foreground) {
    self.voxels = voxels
    self.shape = shape
    switch foreground {
    case .nonzero: (isInverted, isSelected) = (false, nil)
    case .zero: (isInverted, isSelected) = (true, nil)
    case .labels(let labels): (isInverted, isSelected) = (false, labels.table)
    }
  }

  /// Writes the runs of a row, for which there must be room for `shape.x` + 1, and returns their number.
  func scan(row: Int, into runs: UnsafeMutablePointer<mt_run>) -> Int {
    let start = voxels + row * shape.x
    let number = Int32(truncatingIfNeeded: row)
    if let isSelected { return mt_label_runs(start, shape.x, number, isSelected, runs) }
    return mt_mask_runs(start, shape.x, number, isInverted ? 1 : 0, runs)
  }
}

/// Knows which rows are neighbours, and unites their runs.
struct RunJoiner: Sendable {
  let shape: Shape3D
  let connectivity: Connectivity
  let acrossSlices: Bool

  /// Unites the runs of a row with those of the rows before it, down to row `earliest`.
  /// `firstRun` is the index of the first run of a row; that of the row behind the last one too.
  func join(
    row: Int, earliest: Int, runs: UnsafePointer<mt_run>, parents: UnsafeMutablePointer<Int32>,
    firstRun: (Int) -> Int
  ) {
    let y = row % shape.y
    if y > 0, let reach = connectivity.reach(rowOffset: 0, -1) {
      join(row, row - 1, reach, runs, parents, firstRun)
    }
    if acrossSlices, row - y - shape.y >= earliest { joinToEarlierSlice(row, y, runs, parents, firstRun) }
  }

  /// Unites the runs of a slice with those of the one before it.
  func join(
    slice: Int, to earlier: Int, runs: UnsafePointer<mt_run>, parents: UnsafeMutablePointer<Int32>,
    firstRun: (Int) -> Int
  ) {
    guard acrossSlices else { return }
    for y in 0..<shape.y { joinToEarlierSlice(slice * shape.y + y, y, runs, parents, firstRun) }
  }

  private func joinToEarlierSlice(
    _ row: Int, _ y: Int, _ runs: UnsafePointer<mt_run>, _ parents: UnsafeMutablePointer<Int32>,
    _ firstRun: (Int) -> Int
  ) {
    for dy in -1...1 where y + dy >= 0 && y + dy < shape.y {
      guard let reach = connectivity.reach(rowOffset: -1, dy) else { continue }
      join(row, row - shape.y + dy, reach, runs, parents, firstRun)
    }
  }

  private func join(
    _ row: Int, _ other: Int, _ reach: Int32, _ runs: UnsafePointer<mt_run>, _ parents: UnsafeMutablePointer<Int32>,
    _ firstRun: (Int) -> Int
  ) {
    mt_join_runs(runs, parents, firstRun(row), firstRun(row + 1), firstRun(other), firstRun(other + 1), reach)
  }
}

/// The runs of some consecutive slices, joined among themselves.
struct RunSlab: Sendable {
  var firstRow = 0
  var runs: [mt_run] = []
  var parents: [Int32] = []
  /// The first run of each row, and the number of runs.
  var firstRuns: [Int] = [0]

  init() {}

  init(_ scanner: RunScanner, _ joiner: RunJoiner, slices: Range<Int>) {
    let shape = scanner.shape
    let rows = slices.lowerBound * shape.y..<slices.upperBound * shape.y
    firstRow = rows.lowerBound
    firstRuns.reserveCapacity(rows.count + 1)
    // Rows are scanned into a buffer that stays in the cache, and kept many at a time.
    let batch = max(1, (1 << 14) / (shape.x + 1))
    withUnsafeTemporaryAllocation(of: mt_run.self, capacity: batch * (shape.x + 1)) { found in
      guard let buffer = found.baseAddress else { return }
      var start = rows.lowerBound
      while start < rows.upperBound {
        let end = min(start + batch, rows.upperBound)
        var count = 0
        for row in start..<end {
          count += scanner.scan(row: row, into: buffer + count)
          firstRuns.append(runs.count + count)
        }
        runs.append(contentsOf: UnsafeBufferPointer(start: buffer, count: count))
        start = end
      }
    }
    parents = [Int32](unsafeUninitializedCapacity: runs.count) { parents, initialized in
      for index in runs.indices { parents[index] = Int32(truncatingIfNeeded: index) }
      initialized = runs.count
      guard let parents = parents.baseAddress else { return }
      runs.withUnsafeBufferPointer { runs in
        firstRuns.withUnsafeBufferPointer { firstRuns in
          guard let runs = runs.baseAddress else { return }
          let firstRow = rows.lowerBound
          for row in rows {
            joiner.join(row: row, earliest: firstRow, runs: runs, parents: parents) { firstRuns[$0 - firstRow] }
          }
        }
      }
    }
  }
}
