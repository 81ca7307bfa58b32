import Basics
import Networks
import TestSupport
import Testing

@testable import Engines

@Suite struct CalibrationTests {
  /// 1, 2, ..., 100000 and their negatives over a thousand: the share lies between known order statistics.
  @Test func rangesOfValues() throws {
    let values = (1...100_000).flatMap { [Float($0), -Float($0) / 1000] }
    let histogram = ValueHistogram()
    values.withUnsafeBufferPointer { histogram.add($0) }
    let whole = try histogram.range(.extremes)
    #expect(whole == Quantization.Range(low: -100, high: 100_000))
    let share = try histogram.range(.share(0.99))
    // A thousand of two hundred thousand values lie above 99000; bins are 1/128 wide.
    #expect(abs(share.scale * 255 - (99_000 + 99)) < 99_000 / 100)
    #expect(share.zero == 0)
    let undefined = ValueHistogram()
    [1, Float.nan].withUnsafeBufferPointer { undefined.add($0) }
    #expect(throws: Failure.self) { try undefined.range(.extremes) }
    #expect(throws: Failure.self) { try ValueHistogram().range(.extremes) }
  }

  @Test func zeroIsExact() {
    let range = Quantization.Range(low: -1, high: 3)
    #expect(range.zero == 64 && abs(range.scale - 4 / 255) < 1e-6)
    #expect(Quantization.Range(low: 2, high: 4) == Quantization.Range(low: 0, high: 4))
    #expect(Quantization.Range(low: 0, high: 0).scale == 1)
  }

  /// The scalar engine gives one output, so calibration with it says what is missing.
  @Test func enginesOfOneOutputAreRefused() throws {
    let golden = try #require(GoldenNetwork.all.first)
    let failure = #expect(throws: Failure.self) {
      try Calibration().ranges(
        of: golden.network, examples: [[Float](repeating: 0, count: golden.inputShape.reduce(1, *))],
        inputShape: golden.inputShape, engine: ReferenceEngine(), options: .init())
    }
    #expect(failure?.kind == .engine)
  }
}
