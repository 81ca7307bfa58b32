import CKernels

/// NumPy's `RandomState`, number for number: what nnU-Net draws its samples, voxels and folds with.
///
/// A Mersenne Twister (MT19937) seeded with an integer. Not for secrets.
public struct RandomState {
  private var twister = mt_twister()

  /// - Parameter seed: taken modulo 2^32.
  public init(seed: Int) { mt_twister_seed(&twister, UInt32(truncatingIfNeeded: seed)) }

  /// The next 32 random bits.
  public mutating func next32() -> UInt32 {
    if twister.used == Int(MT_TWISTER_SIZE) { mt_twister_refill(&twister) }
    let position = Int(twister.used)
    twister.used = position + 1
    return withUnsafeBytes(of: &twister.output) { $0.loadUnaligned(fromByteOffset: 4 * position, as: UInt32.self) }
  }

  /// A whole number from 0 to `largest`, all equally likely. Takes no random bits when `largest` is 0.
  public mutating func interval(_ largest: Int) -> Int {
    guard largest > 0 else { return 0 }
    let mask = Self.mask(for: UInt64(largest))
    while true {
      let bits: UInt64
      if largest <= Int(UInt32.max) {
        bits = UInt64(next32())
      } else {
        let high = UInt64(next32())
        bits = high << 32 | UInt64(next32())
      }
      if bits & mask <= UInt64(largest) { return Int(bits & mask) }
    }
  }

  /// `randint(range)`: a whole number of a range that is not empty.
  public mutating func integer(in range: Range<Int>) -> Int { range.lowerBound + interval(range.count - 1) }

  /// `random_sample()`: a number from 0 up to, but not including, 1, with 53 random bits.
  public mutating func uniform() -> Double {
    let high = next32() >> 5
    let low = next32() >> 6
    return (Double(high) * 67_108_864 + Double(low)) / 9_007_199_254_740_992
  }

  /// `uniform(low, high)`.
  public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

  /// `shuffle(values)`.
  public mutating func shuffle<Element>(_ values: inout [Element]) {
    for index in stride(from: values.count - 1, to: 0, by: -1) { values.swapAt(index, interval(index)) }
  }

  /// `permutation(count)`: the numbers from 0 to `count` - 1 in random order.
  public mutating func permutation(_ count: Int) -> [Int] {
    var values = Array(0..<count)
    shuffle(&values)
    return values
  }

  /// `permutation(count)[:picks]` in memory of four bytes a number; `count` is below 2^32.
  public mutating func permutation(_ count: Int, prefix picks: Int) -> [UInt32] {
    var values = Array(0..<UInt32(count))
    values.withUnsafeMutableBufferPointer { mt_twister_shuffle(&twister, $0.baseAddress, $0.count) }
    return Array(values.prefix(picks))
  }

  /// `choice(count, picks)`: with replacement.
  public mutating func choices(_ picks: Int, of count: Int) -> [Int] {
    (0..<picks).map { _ in interval(count - 1) }
  }

  /// How often each of the numbers 0 ..< `count` comes up in `draws` draws with replacement; the draws themselves are not
  /// kept. `count` is from 1 to 2^32.
  public mutating func tally(draws: Int, of count: Int) -> [UInt32] {
    guard count > 1 else { return [UInt32(clamping: draws)] }
    let mask = Self.mask(for: UInt64(count - 1))
    var counts = [UInt32](repeating: 0, count: Int(mask) + 1)
    counts.withUnsafeMutableBufferPointer { counts in
      mt_twister_tally(&twister, draws, UInt32(count - 1), UInt32(mask), counts.baseAddress)
    }
    counts.removeLast(counts.count - count)
    return counts
  }

  /// The least 2^k - 1 that is not below `largest`.
  private static func mask(for largest: UInt64) -> UInt64 { ~0 >> UInt64(largest.leadingZeroBitCount) }
}
