/// The largest of many numbers, found without sorting them.
struct LargestValues {
  /// The smallest of the largest.
  let threshold: Float
  /// Their mean; where several numbers equal the threshold, only as many count as are needed.
  let mean: Double

  /// - Parameters:
  ///   - values: numbers below 0 count as 0.
  ///   - count: how many to take, at least 1 and at most all.
  init(of values: UnsafeBufferPointer<Float>, count: Int) {
    // The bits of positive numbers are ordered as the numbers are: first the upper half of the bits, then the lower.
    var histogram = [Int](repeating: 0, count: 1 << 16)
    for value in values { histogram[Int(max(value, 0).bitPattern >> 16)] += 1 }
    let (upper, above) = Self.place(count, in: histogram)
    histogram = [Int](repeating: 0, count: 1 << 16)
    for value in values {
      let bits = max(value, 0).bitPattern
      if bits >> 16 == upper { histogram[Int(bits & 0xFFFF)] += 1 }
    }
    let (lower, _) = Self.place(count - above, in: histogram)
    let threshold = Float(bitPattern: UInt32(upper << 16 | lower))
    var sum = 0.0
    var larger = 0
    for value in values where value > threshold {
      sum += Double(value)
      larger += 1
    }
    self.threshold = threshold
    mean = (sum + Double(count - larger) * Double(threshold)) / Double(count)
  }

  /// The bin in which the `count`-th from above lies, and how many lie above that bin.
  private static func place(_ count: Int, in histogram: [Int]) -> (bin: Int, above: Int) {
    var above = 0
    for bin in histogram.indices.reversed() {
      if above + histogram[bin] >= count { return (bin, above) }
      above += histogram[bin]
    }
    return (0, above)
  }
}
