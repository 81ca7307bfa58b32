/// How many passes run side by side on the processor's cores.
///
/// Measured with OpenVINO (2 cores, f32, milliseconds per pass, two streams of one thread against one stream of two): 177 to 186 for
/// 40x56x40 voxels, 100 to 112 for 64x64x80, 1911 to 1971 for 96x96x96. Streams never wait for each other, but each one
/// holds all intermediate results of its pass (470 MB in the last case, for 3%), takes 25 ms longer to compile, and sums
/// in longer chains: results differ from exact ones by up to 5e-5 of the largest value instead of 2e-5.
/// Batches of four took 203 ms a sample in the first case, and serve nobody. One request more than there are streams saved
/// 6 % of the time of two folds of 40x56x40.
struct PassSchedule: Equatable {
  var threads: Int
  /// Passes that run at the same time, each on `threads / streams` cores.
  var streams: Int
  /// Requests that keep the streams busy.
  var requests: Int

  /// What streams beyond the first may take for intermediate results, and a second output for its values.
  private static let memoryForSpeed = 256 << 20

  /// - Parameters:
  ///   - activationBytes: What the intermediate results of one pass take.
  ///   - outputBytes: What the result of one pass takes.
  init(threads: Int, activationBytes: Int, outputBytes: Int, expectedPasses: Int?) {
    self.threads = threads
    let affordable = 1 + Self.memoryForSpeed / max(1, activationBytes)
    let passes = max(1, expectedPasses ?? .max)
    let candidates = (1...max(1, min(threads, affordable))).reversed()
    streams =
      candidates.first { streams in
        threads % streams == 0 && Self.isEven(passes, over: streams)
      } ?? 1
    // While all streams compute, the next pass can be prepared and the last one be read: worth one more output.
    let wanted = outputBytes <= Self.memoryForSpeed ? streams + 1 : streams
    requests = min(wanted, passes)
  }

  /// Whether streams standing still in the last round cost less than what streams gain.
  private static func isEven(_ passes: Int, over streams: Int) -> Bool {
    if passes == .max { return true }
    let rest = passes % streams
    return rest == 0 || Double(streams - rest) <= 0.03 * Double(passes)
  }
}
