/// Order statistics as NumPy computes them.
enum Percentile {
  /// The number of sorted values below the percentile, and how far it lies towards the next one.
  static func position(_ percent: Double, count: Int) -> (index: Int, fraction: Double) {
    let position = Double(count - 1) * (percent / 100)
    let index = min(Int(position), count - 1)
    return (index, position - Double(index))
  }

  /// Between neighbouring order statistics; exact at both ends.
  static func between(_ lower: Double, _ upper: Double, _ fraction: Double) -> Double {
    fraction < 0.5 ? lower + (upper - lower) * fraction : upper - (upper - lower) * (1 - fraction)
  }

  /// NumPy's `percentile` with its default, linear interpolation. `values` must not be empty.
  static func of(_ values: [Double], _ percent: Double) -> Double {
    let sorted = values.sorted()
    let (index, fraction) = position(percent, count: sorted.count)
    return between(sorted[index], sorted[min(index + 1, sorted.count - 1)], fraction)
  }

  /// The mean of the two middle values when there is an even number of them.
  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
