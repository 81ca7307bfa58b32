import Basics
import TestSupport
import Testing

@Suite struct InterruptionTests {
  /// Six cases that take half a second each: eight mirrorings, two folds.
  static let options = ["-f", "0", "1", "--engine", "reference", "--disable_progress_bar"]

  @Test(arguments: ["Ctrl-C", "termination"])
  func anInterruptedRunCanBeFinishedLater(by kind: String) throws {
    let place = try Workplace()
    for seed in 1...6 { try place.add("case\(seed)_0000.nii.gz", TestImage(seed: UInt64(seed)).gzipped) }
    let first = Path.join(place.output, "case1.nii.gz")
    let interrupted = try place.predict(
      Self.options,
      signal: kind == "Ctrl-C" ? .interrupt { Path.exists(first) } : .terminate { Path.exists(first) })
    #expect(interrupted.status == 130)
    #expect(interrupted.complaints("stopped by the user", "--continue_prediction") == 1)
    let done = place.results
    #expect(done.count >= 1 && done.count < 6)
    #expect(done.allSatisfy { $0.hasPrefix("case") && $0.hasSuffix(".nii.gz") }, "\(done)")
    for name in done { _ = try place.labels(name) }

    let finished = try place.predict(Self.options + ["--continue_prediction"])
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(finished.output.contains("\(done.count) done before"))
    let whole = try Program.run(
      ["predict", "-i", place.input, "-o", place.folder("whole"), "-m", place.model] + Self.options)
    #expect(whole.status == 0)
    #expect(place.results.count == 6)
    for name in place.results {
      #expect(try Path.read(Path.join(place.output, name)) == Path.read(Path.join(place.folder("whole"), name)))
    }
  }
}
