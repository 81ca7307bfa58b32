import CKernels

/// Where a label lies in relation to its neighbours, as far as it helps to compress it.
public struct LabelLayout: Sendable, Equatable {
  /// 1 or 2.
  public let bytesPerLabel: Int
  /// How many labels back the neighbour above lies; 0 when it is out of DEFLATE's reach.
  let row: Int

  /// `sizes` are the extents of the volume, fastest axis first.
  public init(bytesPerLabel: Int, sizes: [Int]) {
    precondition(bytesPerLabel == 1 || bytesPerLabel == 2, "labels have one or two bytes")
    self.bytesPerLabel = bytesPerLabel
    // Rows of one label are no rows: the next axis takes their place.
    var distance = 1
    for size in sizes where distance == 1 { distance = max(1, size) }
    row = distance > 1 && distance <= 32768 / bytesPerLabel ? distance : 0
  }
}

/// DEFLATE blocks made from runs of equal labels.
///
/// A general compressor searches its window for whatever occurred before. In label maps all there is to find is the
/// label before and the row above; so matches have two distances only, and where they break is known from the runs,
/// without a look at the labels between. The cost follows the number of runs, not of voxels.
struct RunDeflater: ~Copyable {
  private let layout: LabelLayout
  private let tokens: UnsafeMutableBufferPointer<UInt32>
  private let codes: UnsafeMutablePointer<mt_code>
  private var tokenCount = 0
  private var counts = [UInt32](repeating: 0, count: 286)
  private var output: UnsafeMutableRawPointer
  private var capacity = 1 << 16
  private var writer = mt_bit_writer()

  /// Enough tokens to be worth a Huffman code of their own, few enough for it to fit them.
  private static let blockTokens = 1 << 15

  init(_ layout: LabelLayout) {
    self.layout = layout
    tokens = .allocate(capacity: Self.blockTokens)
    codes = .allocate(capacity: Int(MT_CODE_COUNT))
    codes.initialize(repeating: mt_code(), count: Int(MT_CODE_COUNT))
    output = .allocate(byteCount: capacity, alignment: 16)
    writer.next = output.assumingMemoryBound(to: UInt8.self)
  }

  deinit {
    tokens.deallocate()
    codes.deallocate()
    output.deallocate()
  }

  /// Encodes the labels at `positions`. `runs` (see `LabelRuns`) cover them, and the row before them if there is one.
  mutating func append(_ runs: UnsafeBufferPointer<UInt64>, at positions: Range<Int>) {
    guard !positions.isEmpty else { return }
    var cursor = mt_run_cursor(
      runs: runs.baseAddress, run_count: runs.count, position: UInt64(positions.lowerBound),
      end: UInt64(positions.upperBound), row: UInt64(layout.row), size: UInt64(layout.bytesPerLabel), current: 0,
      above: 0)
    while cursor.position < cursor.end {
      if tokenCount + 2 > tokens.count { endBlock() }
      guard let base = tokens.baseAddress else { return }
      tokenCount += mt_tokenize_runs(&cursor, base + tokenCount, tokens.count - tokenCount, &counts)
    }
  }

  /// Writes what has come together as a block with its own code. What follows may be of another kind.
  mutating func endBlock() {
    guard tokenCount > 0 else { return }
    let near = Self.distance(layout.bytesPerLabel)
    // Two distance codes of one bit each, whether both occur or not: there is no shorter way.
    let far =
      layout.row > 0
      ? Self.distance(layout.row * layout.bytesPerLabel) : (symbol: near.symbol ^ 1, extra: 0, extraCount: 0)
    var distanceLengths = [UInt8](repeating: 0, count: 30)
    distanceLengths[near.symbol] = 1
    distanceLengths[far.symbol] = 1
    let distances = HuffmanCode(lengths: distanceLengths)
    counts[256] = 1
    let literals = HuffmanCode(frequencies: counts, limit: 15)

    reserve(literals, distanceBits: 1 + max(near.extraCount, far.extraCount))
    put(0b100, 3)
    HuffmanCode.writeHeader(literals: literals, distances: distances) { put($0, $1) }
    for value in 0..<256 {
      codes[value] = mt_code(bits: UInt64(literals.codes[value]), length: UInt64(literals.lengths[value]))
    }
    fill(codes + 256, literals, distances, near)
    fill(codes + 256 + Int(MT_MATCH_CODES), literals, distances, far)
    mt_write_tokens(&writer, tokens.baseAddress, tokenCount, codes)
    put(Int(literals.codes[256]), Int(literals.lengths[256]))
    tokenCount = 0
    for symbol in counts.indices { counts[symbol] = 0 }
  }

  /// The bytes so far, ended with an empty stored block, which brings them to a byte boundary.
  mutating func finish() -> [UInt8] {
    endBlock()
    grow(by: 16)
    put(0, 3)
    put(0, (8 - Int(writer.pending_count)) & 7)
    put(0xFFFF_0000, 32)
    let count = UnsafeRawPointer(writer.next) - UnsafeRawPointer(output)
    return Array(UnsafeRawBufferPointer(start: output, count: count))
  }

  // MARK: Codes

  /// Joins the code of each match length with that of the distance, so that a match is written at one stroke.
  private func fill(
    _ table: UnsafeMutablePointer<mt_code>, _ literals: HuffmanCode, _ distances: HuffmanCode,
    _ distance: (symbol: Int, extra: Int, extraCount: Int)
  ) {
    for length in 3...258 {
      var (symbol, extraCount, extra): (UInt32, UInt32, UInt32) = (0, 0, 0)
      mt_length_symbol(UInt32(length), &symbol, &extraCount, &extra)
      var bits = UInt64(literals.codes[Int(symbol)])
      var count = Int(literals.lengths[Int(symbol)])
      bits |= UInt64(extra) << UInt64(count)
      count += Int(extraCount)
      bits |= UInt64(distances.codes[distance.symbol]) << UInt64(count)
      count += Int(distances.lengths[distance.symbol])
      bits |= UInt64(distance.extra) << UInt64(count)
      table[length] = mt_code(bits: bits, length: UInt64(count + distance.extraCount))
    }
  }

  /// RFC 1951, 3.2.5: two symbols for each number of extra bits.
  private static func distance(_ distance: Int) -> (symbol: Int, extra: Int, extraCount: Int) {
    let value = distance - 1
    guard value >= 4 else { return (value, 0, 0) }
    let width = Int.bitWidth - 1 - value.leadingZeroBitCount
    return (2 * width + (value >> (width - 1) & 1), value & ((1 << (width - 1)) - 1), width - 1)
  }

  // MARK: Bytes

  /// Makes room for a block.
  private mutating func reserve(_ literals: HuffmanCode, distanceBits: Int) {
    var bits = 0
    for (symbol, frequency) in counts.enumerated() where frequency > 0 {
      // No length has more than 5 extra bits.
      bits += Int(frequency) * (Int(literals.lengths[symbol]) + (symbol > 256 && symbol < 285 ? 5 : 0))
      if symbol > 256 { bits += Int(frequency) * distanceBits }
    }
    // The codes of a header take less than 512 bytes.
    grow(by: bits / 8 + 1024)
  }

  private mutating func grow(by count: Int) {
    let used = UnsafeRawPointer(writer.next) - UnsafeRawPointer(output)
    guard used + count > capacity else { return }
    capacity = max(2 * capacity, used + count)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    larger.copyMemory(from: output, byteCount: used)
    output.deallocate()
    output = larger
    writer.next = (output + used).assumingMemoryBound(to: UInt8.self)
  }

  /// Writes up to 32 bits; room must be there.
  private mutating func put(_ bits: Int, _ count: Int) {
    writer.pending |= UInt64(bits) << writer.pending_count
    writer.pending_count += UInt64(count)
    while writer.pending_count >= 8 {
      writer.next.pointee = UInt8(truncatingIfNeeded: writer.pending)
      writer.next += 1
      writer.pending >>= 8
      writer.pending_count -= 8
    }
  }
}
