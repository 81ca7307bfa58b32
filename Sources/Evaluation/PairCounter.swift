import Basics
import Imaging

/// Counts label pairs. Labels are first numbered densely, so that the table of pairs is as small as it can be.
enum PairCounter {
  static func count<
    A: FixedWidthInteger & BitwiseCopyable & Sendable, B: FixedWidthInteger & BitwiseCopyable & Sendable
  >(
    _ prediction: Volume<A>, _ reference: Volume<B>
  ) -> [LabelConfusion.Pair: Int] {
    prediction.elements.withUnsafeBufferPointer { a in
      reference.elements.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress else { return [:] }
        let count = min(prediction.elements.count, reference.elements.count)
        let columns = Numbering(a, count: count)
        let rows = Numbering(b, count: count)
        // Where nearly every voxel has a label of its own, a table of all pairs would be many times the image.
        guard columns.labels.count * rows.labels.count <= max(1 << 24, count) else { return list(a, b, count: count) }
        let table = tabulate(Shared(a), Shared(b), count: count, columns, rows)
        var pairs: [LabelConfusion.Pair: Int] = [:]
        for (index, voxels) in table.enumerated() where voxels > 0 {
          let (row, column) = index.quotientAndRemainder(dividingBy: columns.labels.count)
          pairs[.init(reference: rows.labels[row], prediction: columns.labels[column])] = voxels
        }
        return pairs
      }
    }
  }

  private static func list<A: FixedWidthInteger, B: FixedWidthInteger>(
    _ a: UnsafePointer<A>, _ b: UnsafePointer<B>, count: Int
  ) -> [LabelConfusion.Pair: Int] {
    var pairs: [LabelConfusion.Pair: Int] = [:]
    var start = 0
    while start < count {
      var next = start + 1
      while next < count, a[next] == a[start], b[next] == b[start] { next += 1 }
      pairs[.init(reference: .init(b[start]), prediction: .init(a[start])), default: 0] += next - start
      start = next
    }
    return pairs
  }

  /// The table of pairs, one row per reference label. Each piece of the image fills a table of its own.
  private static func tabulate<A: FixedWidthInteger, B: FixedWidthInteger>(
    _ a: Shared<UnsafePointer<A>>, _ b: Shared<UnsafePointer<B>>, count: Int, _ columns: Numbering, _ rows: Numbering
  ) -> [Int] {
    let size = columns.labels.count * rows.labels.count
    // A piece should have more voxels than its table has cells.
    let pieces = max(1, min(Parallel.coreCount * 2, count / max(1 << 14, size)))
    var tables = [Int](repeating: 0, count: size * pieces)
    tables.withUnsafeMutableBufferPointer { tables in
      guard let base = tables.baseAddress else { return }
      let tables = Shared(base)
      Parallel.forEach(pieces) { piece in
        let table = tables.value + piece * size
        columns.numbers.withUnsafeBufferPointer { columnOf in
          rows.numbers.withUnsafeBufferPointer { rowOf in
            let width = columns.labels.count
            var start = count * piece / pieces
            let end = count * (piece + 1) / pieces
            // Neighbours usually agree: count runs of equal pairs, not voxels.
            while start < end {
              let column = a.value[start]
              let row = b.value[start]
              var next = start + 1
              if A.bitWidth == 8, B.bitWidth == 8 {
                next = Self.skipWords(a.value, UInt8(truncatingIfNeeded: column), from: next, to: end) { start in
                  Self.isFilled(b.value, UInt8(truncatingIfNeeded: row), at: start)
                }
              }
              while next < end, a.value[next] == column, b.value[next] == row { next += 1 }
              table[Int(rowOf[Int(row)]) * width + Int(columnOf[Int(column)])] += next - start
              start = next
            }
          }
        }
      }
      for piece in 1..<max(1, pieces) {
        for index in 0..<size { tables.value[index] += tables.value[piece * size + index] }
      }
    }
    return Array(tables[..<size])
  }

  /// The first position from `start` on, in steps of eight voxels, where not all eight have the same pair.
  @inline(__always)
  private static func skipWords<A>(
    _ voxels: UnsafePointer<A>, _ label: UInt8, from start: Int, to end: Int, _ otherAgrees: (Int) -> Bool
  ) -> Int {
    var next = start
    while next + 8 <= end, isFilled(voxels, label, at: next), otherAgrees(next) { next += 8 }
    return next
  }

  /// Whether eight one-byte voxels all have one label.
  @inline(__always)
  private static func isFilled<A>(_ voxels: UnsafePointer<A>, _ label: UInt8, at index: Int) -> Bool {
    UnsafeRawPointer(voxels).loadUnaligned(fromByteOffset: index, as: UInt64.self)
      == 0x0101_0101_0101_0101 &* UInt64(label)
  }

  /// The labels that occur, ascending, and for every possible label its position among them.
  private struct Numbering: Sendable {
    var labels: [Int] = []
    var numbers: [Int32]

    init<Label: FixedWidthInteger & Sendable>(_ voxels: UnsafePointer<Label>, count: Int) {
      let possible = Int(Label.max) + 1
      if possible == 256 {
        // A full table of bytes is small; finding out which occur would cost more than it saves.
        labels = Array(0..<256)
        numbers = labels.map { Int32($0) }
        return
      }
      let pieces = max(1, min(Parallel.coreCount * 2, count >> 16))
      var seen = [Bool](repeating: false, count: possible * pieces)
      seen.withUnsafeMutableBufferPointer { seen in
        guard let base = seen.baseAddress else { return }
        let seen = Shared(base)
        let voxels = Shared(voxels)
        Parallel.forEach(pieces) { piece in
          let found = seen.value + piece * possible
          for index in count * piece / pieces..<count * (piece + 1) / pieces { found[Int(voxels.value[index])] = true }
        }
      }
      numbers = [Int32](repeating: 0, count: possible)
      for label in 0..<possible where (0..<pieces).contains(where: { seen[$0 * possible + label] }) {
        numbers[label] = Int32(truncatingIfNeeded: labels.count)
        labels.append(label)
      }
    }
  }
}
