extension UNetConfiguration {
  /// What becomes of the numbers of residual blocks when a network is made narrower (FastnnUNet).
  public enum BlockRule: String, Sendable, CaseIterable {
    case reduce, keep, increase, adaptive
  }

  /// The network as FastnnUNet makes a student of it: every width is divided, rounded down, and at least 8.
  ///
  /// Checkpoints of FastnnUNet's own students lie beside the plans of the whole network and only say by how much it was
  /// narrowed.
  public func narrowed(by reduction: Int, blocks rule: BlockRule) -> UNetConfiguration {
    var student = self
    student.features = features.map { max($0 / max(1, reduction), 8) }
    guard family != .plain else { return student }
    student.blocksPerStage = blocksPerStage.indices.map { stage in
      let count = blocksPerStage[stage]
      switch rule {
      case .reduce: return max(count / 2, 1)
      case .keep: return count
      case .increase: return min(count + 1, 8)
      case .adaptive: return min(count + Int(Double(features[stage]) / Double(student.features[stage]) / 4), 8)
      }
    }
    return student
  }
}
