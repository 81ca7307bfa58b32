/// How many residual blocks a student's stage has, by how many the plans give it and by how much it is narrowed.
public enum BlockStrategy: String, Sendable, CaseIterable {
  /// Half as many, rounded down, at least one.
  case reduce
  case keep
  /// One more, at most eight.
  case increase
  /// One more for every four times by which the stage is narrowed, at most eight.
  case adaptive

  /// - Parameters:
  ///   - count: blocks of the stage in the plans.
  ///   - width, narrowed: channels of the stage in the plans and in the student.
  public func blocks(_ count: Int, width: Int, narrowed: Int) -> Int {
    switch self {
    case .reduce: max(count / 2, 1)
    case .keep: count
    case .increase: min(count + 1, 8)
    case .adaptive: min(count + Int(Double(width) / Double(narrowed) / 4), 8)
    }
  }
}

extension UNetConfiguration {
  /// The network as FastnnUNet makes a student of it: every width is divided, rounded down, and at least 8.
  ///
  /// Checkpoints of FastnnUNet's own students lie beside the plans of the whole network and only say by how much it was
  /// narrowed.
  public func narrowed(by reduction: Int, blocks strategy: BlockStrategy) -> UNetConfiguration {
    var student = self
    student.features = features.map { max($0 / max(1, reduction), 8) }
    guard family != .plain else { return student }
    student.blocksPerStage = blocksPerStage.indices.map {
      strategy.blocks(blocksPerStage[$0], width: features[$0], narrowed: student.features[$0])
    }
    return student
  }
}
