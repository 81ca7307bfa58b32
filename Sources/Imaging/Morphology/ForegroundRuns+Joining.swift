/// The runs of some consecutive slices, joined among themselves.
struct RunSlab: Sendable {
  var runs: [ForegroundRuns.Run] = []
  var parents: [Int32] = []
  /// The first run of each row, and the number of runs.
  var firstRuns: [Int] = [0]
  var rowCount: Int { firstRuns.count - 1 }

  init() {}

  init(
    _ mask: UnsafePointer<UInt8>, shape: Shape3D, slices: Range<Int>, _ connectivity: Connectivity, inverted: Bool
  ) {
    let rows = slices.lowerBound * shape.y..<slices.upperBound * shape.y
    firstRuns.reserveCapacity(rows.count + 1)
    for row in rows {
      let voxels = mask + row * shape.x
      var x = 0
      while true {
        // Words of eight background voxels are skipped at once; so are words of eight foreground ones.
        x = Self.skip(voxels, from: x, to: shape.x, while: false, inverted)
        guard x < shape.x else { break }
        let end = Self.skip(voxels, from: x, to: shape.x, while: true, inverted)
        runs.append(
          .init(
            row: Int32(truncatingIfNeeded: row), start: Int32(truncatingIfNeeded: x),
            end: Int32(truncatingIfNeeded: end)))
        x = end
      }
      firstRuns.append(runs.count)
    }
    parents = (0..<runs.count).map { Int32(truncatingIfNeeded: $0) }
    runs.withUnsafeBufferPointer { runs in
      firstRuns.withUnsafeBufferPointer { firstRuns in
        parents.withUnsafeMutableBufferPointer { parents in
          let forest = RunForest(runs: runs, firstRuns: firstRuns, firstRow: rows.lowerBound, parents: parents)
          for row in rows {
            let y = row % shape.y
            if y > 0, let reach = connectivity.reach(rowOffset: 0, -1) { forest.join(row: row, with: row - 1, reach) }
            if row - shape.y >= rows.lowerBound {
              forest.joinToEarlierSlice(row: row, y: y, height: shape.y, connectivity)
            }
          }
          forest.flatten()
        }
      }
    }
  }

  /// The first position from `start` on whose voxel is not (foreground == `foreground`).
  private static func skip(
    _ voxels: UnsafePointer<UInt8>, from start: Int, to end: Int, while foreground: Bool, _ inverted: Bool
  ) -> Int {
    var x = start
    let raw = UnsafeRawPointer(voxels)
    if foreground == inverted {
      // Zero bytes are what is skipped.
      while x + 8 <= end, raw.loadUnaligned(fromByteOffset: x, as: UInt64.self) == 0 { x += 8 }
      while x < end, voxels[x] == 0 { x += 1 }
    } else {
      while x + 8 <= end {
        let word = raw.loadUnaligned(fromByteOffset: x, as: UInt64.self)
        // Nonzero when some byte is zero.
        guard (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 == 0 else { break }
        x += 8
      }
      while x < end, voxels[x] != 0 { x += 1 }
    }
    return x
  }
}

/// Union-find over runs; the smaller index is always the parent.
struct RunForest {
  let runs: UnsafeBufferPointer<ForegroundRuns.Run>
  /// The first run of each row from `firstRow` on, and the end of the last row's.
  let firstRuns: UnsafeBufferPointer<Int>
  let firstRow: Int
  let parents: UnsafeMutableBufferPointer<Int32>

  private func root(_ index: Int32) -> Int32 {
    var index = index
    while parents[Int(index)] != index {
      parents[Int(index)] = parents[Int(parents[Int(index)])]
      index = parents[Int(index)]
    }
    return index
  }

  private func union(_ a: Int, _ b: Int) {
    let first = root(Int32(truncatingIfNeeded: a))
    let second = root(Int32(truncatingIfNeeded: b))
    if first < second { parents[Int(second)] = first } else { parents[Int(first)] = second }
  }

  /// Joins the runs of two rows that touch: those not further apart along X than `reach` allows.
  func join(row: Int, with other: Int, _ reach: Int32) {
    var a = firstRuns[row - firstRow]
    var b = firstRuns[other - firstRow]
    let endA = firstRuns[row - firstRow + 1]
    let endB = firstRuns[other - firstRow + 1]
    while a < endA, b < endB {
      if runs[a].start < runs[b].end + reach, runs[b].start < runs[a].end + reach { union(a, b) }
      if runs[a].end < runs[b].end { a += 1 } else { b += 1 }
    }
  }

  /// Joins a row with the rows of the slice before it.
  func joinToEarlierSlice(row: Int, y: Int, height: Int, _ connectivity: Connectivity) {
    for dy in -1...1 where y + dy >= 0 && y + dy < height {
      guard let reach = connectivity.reach(rowOffset: -1, dy) else { continue }
      join(row: row, with: row - height + dy, reach)
    }
  }

  /// Points every run at its root. A parent never comes after its child, so one pass in order does.
  func flatten() {
    for index in parents.indices { parents[index] = parents[Int(parents[index])] }
  }
}
