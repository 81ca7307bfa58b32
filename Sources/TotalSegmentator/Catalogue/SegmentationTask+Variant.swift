import Basics

extension SegmentationTask {
  /// The variant that the user's flags select.
  ///
  /// With both flags the fast one is taken, and a task without a fastest variant takes its fast one. Tasks of one
  /// resolution do not react to `fastest`. Throws `usage` when the task has no fast variant and says so.
  public func variant(fast wantsFast: Bool, fastest wantsFastest: Bool) throws -> TaskVariant {
    if wantsFast, fastFlag == .refused {
      throw Failure(
        .usage, "the task \(name) has no fast variant", hint: "leave --fast out; the task runs at one resolution only")
    }
    guard fastFlag == .selects else { return standard }
    if wantsFast { return fast ?? standard }
    if wantsFastest { return fastest ?? fast ?? standard }
    return standard
  }

  /// The variant that a rough segmentation uses; the next finer one where there is none.
  public func variant(_ choice: RoughModel.Choice) -> TaskVariant {
    switch choice {
    case .standard: standard
    case .fast: fast ?? standard
    case .fastest: fastest ?? fast ?? standard
    }
  }

  /// The label of a class, or nil when the task has none of that name.
  public func label(of className: String) -> Int? { classes.first { $0.name == className }?.id }

  /// Every variant there is, finest first.
  public var variants: [(choice: RoughModel.Choice, variant: TaskVariant)] {
    let all: [(RoughModel.Choice, TaskVariant?)] = [(.standard, standard), (.fast, fast), (.fastest, fastest)]
    return all.compactMap { choice, variant in variant.map { (choice, $0) } }
  }
}
