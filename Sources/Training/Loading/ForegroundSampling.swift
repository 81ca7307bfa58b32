/// Which samples of a batch are placed so that they contain foreground.
public enum ForegroundSampling: Sendable, Equatable {
  /// The last so large a share of each batch.
  case fixed(Double)
  /// Each sample with so large a probability; nil for the share that `fixed(0.33)` has of a batch in effect.
  case random(Double?)

  /// Whether sample `index` of a batch is.
  func isForced(_ index: Int, of batchSize: Int, _ stream: inout RandomStream) -> Bool {
    switch self {
    case .fixed(let share): Self.isForced(index, of: batchSize, share: share)
    case .random(let probability): stream.chance(probability ?? Self.effectiveShare(of: batchSize))
    }
  }

  static func isForced(_ index: Int, of batchSize: Int, share: Double) -> Bool {
    index >= Int((Double(batchSize) * (1 - share)).rounded(.toNearestOrEven))
  }

  private static func effectiveShare(of batchSize: Int) -> Double {
    Double((0..<batchSize).count { isForced($0, of: batchSize, share: 0.33) }) / Double(max(1, batchSize))
  }
}
