import Basics
import CKernels

/// What is averaged of a network's answers.
public enum Activation: Sendable, Equatable {
  /// Logits, as they are (nnU-Net v2).
  case none
  /// Probabilities that sum to one (nnU-Net v1).
  case softmax
  /// Probabilities of regions, each by itself, less one half: so that the mean is positive where the region is, as it is
  /// for logits.
  case sigmoid

  /// Writes what becomes of a prediction (channels, voxels).
  func apply(
    _ logits: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, channels: Int, count: Int
  ) {
    let shared = Shared((logits: logits, result: result))
    Parallel.ranges(count, minimum: 1 << 12) { range in
      let (from, to) = (shared.value.logits + range.lowerBound, shared.value.result + range.lowerBound)
      switch self {
      case .none: break
      case .softmax: mt_softmax(from, to, channels, count, range.count)
      case .sigmoid: mt_centered_sigmoid(from, to, channels, count, range.count)
      }
    }
  }
}
