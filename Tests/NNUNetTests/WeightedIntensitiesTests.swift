import Basics
import TestSupport
import Testing

@testable import NNUNet

@Suite struct WeightedIntensitiesTests {
  /// Statistics of counted values against those of the values written out and sorted.
  @Test func statisticsAreThoseOfTheDraws() throws {
    var generator = SeededGenerator(seed: 5)
    var parts: [WeightedIntensities] = []
    var draws: [Double] = []
    for part in 0..<3 {
      let values = (0..<500).map { _ in Float(Int.random(in: -200...200, using: &generator)) * 0.37 - Float(part) }
      let counts = values.map { _ in UInt32.random(in: 0...3, using: &generator) }
      parts.append(WeightedIntensities(values, counts: counts))
      for (value, count) in zip(values, counts) {
        draws += [Double](repeating: Double(value), count: Int(count))
      }
    }
    let found = try #require(WeightedIntensities.statistics(of: parts))
    #expect(found["min"]?.double == draws.min())
    #expect(found["max"]?.double == draws.max())
    #expect(found["median"]?.double == Percentile.median(draws))
    #expect(found["percentile_00_5"]?.double == Percentile.of(draws, 0.5))
    #expect(found["percentile_99_5"]?.double == Percentile.of(draws, 99.5))
    let mean = draws.reduce(0, +) / Double(draws.count)
    let deviation = (draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count)).squareRoot()
    // Stored in single precision.
    #expect(abs((found["mean"]?.double ?? .nan) - mean) < 1e-6 * abs(mean))
    #expect(abs((found["std"]?.double ?? .nan) - deviation) < 1e-6 * deviation)
  }

  @Test func nothingDrawnHasNoStatistics() {
    #expect(WeightedIntensities.statistics(of: []) == nil)
    #expect(WeightedIntensities.statistics(of: [WeightedIntensities([1, 2], counts: [0, 0])]) == nil)
    let one = WeightedIntensities.statistics(of: [WeightedIntensities([-0.0, 0], counts: [1, 2])])
    #expect(one?["median"]?.double == 0 && one?["std"]?.double == 0)
  }

  /// NumPy 2.4: percentile([1, 2, 4, 8], q) and median.
  @Test(arguments: [(0.0, 1.0), (10, 1.3), (50, 3), (90, 6.8), (100, 8)])
  func percentilesAreNumPys(percent: Double, expected: Double) {
    #expect(abs(Percentile.of([8, 1, 4, 2], percent) - expected) < 1e-12)
    #expect(Percentile.median([8, 1, 4, 2]) == 3)
    #expect(Percentile.median([8, 1, 4]) == 4)
  }
}
