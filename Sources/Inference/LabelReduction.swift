/// How logits become a label.
public enum LabelReduction: Sendable, Equatable {
  /// The channel with the largest logit; the lowest channel where several are equal.
  case largest
  /// One sigmoid per channel; where it exceeds one half, the label of that channel, later channels over earlier ones.
  case regions([UInt16])
}
