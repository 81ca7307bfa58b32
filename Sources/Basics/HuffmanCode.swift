/// Code lengths and codes for one alphabet of DEFLATE data (RFC 1951, 3.2.2).
struct HuffmanCode {
  /// Bits per symbol; 0 for symbols without a code.
  let lengths: [UInt8]
  /// Codes as they are written: the first bit lowest.
  let codes: [UInt16]

  /// The best code in which no symbol is longer than `limit` bits, or close to it.
  ///
  /// Symbols that do not occur get none; but there are always two symbols with a code, as some inflaters insist.
  init(frequencies: [UInt32], limit: Int) {
    var weights = frequencies.map(UInt64.init)
    var missing = max(0, 2 - weights.count { $0 > 0 })
    for symbol in weights.indices where missing > 0 && weights[symbol] == 0 {
      weights[symbol] = 1
      missing -= 1
    }
    var lengths = Self.depths(weights)
    // Flatter weights make a shallower tree. This is rare, and hardly costs anything.
    while lengths.contains(where: { $0 > limit }) {
      for symbol in weights.indices where weights[symbol] > 0 { weights[symbol] = weights[symbol] / 2 + 1 }
      lengths = Self.depths(weights)
    }
    self.init(lengths: lengths)
  }

  init(lengths: [UInt8]) {
    self.lengths = lengths
    var counts = [Int](repeating: 0, count: 17)
    for length in lengths where length > 0 { counts[Int(length)] += 1 }
    var next = [Int](repeating: 0, count: 17)
    for length in 1..<16 { next[length + 1] = (next[length] + counts[length]) << 1 }
    codes = lengths.map { length in
      guard length > 0 else { return 0 }
      defer { next[Int(length)] += 1 }
      var (code, reversed) = (next[Int(length)], 0)
      for _ in 0..<length {
        reversed = reversed << 1 | code & 1
        code >>= 1
      }
      return UInt16(reversed)
    }
  }

  /// How deep each symbol lies in Huffman's tree.
  ///
  /// With the leaves in order of weight, the inner nodes come into being in order of weight too, so the two lightest
  /// are always at the front of one of two queues.
  private static func depths(_ weights: [UInt64]) -> [UInt8] {
    let leaves = weights.indices.filter { weights[$0] > 0 }.sorted { (weights[$0], $0) < (weights[$1], $1) }
    var depths = [UInt8](repeating: 0, count: weights.count)
    guard leaves.count > 1 else { return depths }
    // Nodes: the leaves, then the inner nodes, the root last.
    var nodes = leaves.map { weights[$0] }
    nodes.reserveCapacity(2 * leaves.count)
    var parents = [Int](repeating: 0, count: 2 * leaves.count - 1)
    var (leaf, inner) = (0, leaves.count)
    func lightest() -> Int {
      if leaf < leaves.count, inner >= nodes.count || nodes[leaf] <= nodes[inner] {
        leaf += 1
        return leaf - 1
      }
      inner += 1
      return inner - 1
    }
    while nodes.count < parents.count {
      let (first, second) = (lightest(), lightest())
      parents[first] = nodes.count
      parents[second] = nodes.count
      nodes.append(nodes[first] + nodes[second])
    }
    var levels = [UInt8](repeating: 0, count: nodes.count)
    for node in (0..<nodes.count - 1).reversed() { levels[node] = levels[parents[node]] + 1 }
    for (index, symbol) in leaves.enumerated() { depths[symbol] = levels[index] }
    return depths
  }
}

extension HuffmanCode {
  /// The header of a dynamic block: both codes' lengths, run-length coded and Huffman coded (RFC 1951, 3.2.7).
  ///
  /// `write` receives numbers of a few bits, in order; `literals` has at least 257 symbols, `distances` at least one.
  static func writeHeader(literals: HuffmanCode, distances: HuffmanCode, _ write: (_ bits: Int, _ count: Int) -> Void) {
    let literalCount = max(257, (literals.lengths.lastIndex { $0 > 0 } ?? 0) + 1)
    let distanceCount = max(1, (distances.lengths.lastIndex { $0 > 0 } ?? 0) + 1)
    let items = runLengths(Array(literals.lengths[..<literalCount] + distances.lengths[..<distanceCount]))
    var frequencies = [UInt32](repeating: 0, count: 19)
    for item in items { frequencies[item.symbol] += 1 }
    let code = HuffmanCode(frequencies: frequencies, limit: 7)
    let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
    let count = max(4, (order.lastIndex { code.lengths[$0] > 0 } ?? 0) + 1)
    write(literalCount - 257, 5)
    write(distanceCount - 1, 5)
    write(count - 4, 4)
    for symbol in order[..<count] { write(Int(code.lengths[symbol]), 3) }
    for item in items {
      write(Int(code.codes[item.symbol]), Int(code.lengths[item.symbol]))
      if item.extraCount > 0 { write(item.extra, item.extraCount) }
    }
  }

  private static func runLengths(_ lengths: [UInt8]) -> [(symbol: Int, extra: Int, extraCount: Int)] {
    var items: [(symbol: Int, extra: Int, extraCount: Int)] = []
    var position = 0
    while position < lengths.count {
      let length = lengths[position]
      var run = 1
      while position + run < lengths.count, lengths[position + run] == length { run += 1 }
      position += run
      if length > 0 {
        items.append((Int(length), 0, 0))
        run -= 1
      }
      while run >= 3 {
        let part = min(run, length > 0 ? 6 : 138)
        items.append(length > 0 ? (16, part - 3, 2) : part < 11 ? (17, part - 3, 3) : (18, part - 11, 7))
        run -= part
      }
      for _ in 0..<run { items.append((Int(length), 0, 0)) }
    }
    return items
  }
}
