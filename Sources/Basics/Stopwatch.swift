/// Measures consecutive stretches of wall time.
public struct Stopwatch {
  private var last = ContinuousClock.now

  public init() {}

  /// Seconds since the last call, or since the watch was made.
  public mutating func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    return last.duration(to: now) / .seconds(1)
  }
}
