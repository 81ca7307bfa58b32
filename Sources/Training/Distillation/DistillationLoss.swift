import Basics
import CKernels

/// How far a network's logits are from its teachers': the Kullback-Leibler divergence of the softened answers (Hinton,
/// Vinyals and Dean 2015), with the gradient.
///
/// Classes: T² times the mean over voxels of the sum over classes of p (ln p - ln q), with p and q the softmax of the
/// teachers' and the network's logits divided by T. Regions: T² times the mean over voxels and regions of the
/// divergence of two sigmoids. So it weighs as much beside cross-entropy whatever the number of classes.
public struct DistillationLoss: Sendable, Equatable {
  /// What the sum is divided by.
  public enum Mean: String, Sendable, CaseIterable {
    /// By voxels (of regions: voxels and regions).
    case voxels
    /// As FastnnUNet does it: by voxels and classes, and regions pass through a softmax as if they were classes.
    case elements
  }

  public var meaning: OutputMeaning
  public var temperature: Double
  public var mean: Mean

  public init(meaning: OutputMeaning, temperature: Double, mean: Mean = .voxels) {
    self.meaning = meaning
    self.temperature = temperature
    self.mean = mean
  }

  private var usesSigmoids: Bool {
    if case .regions = meaning { return mean == .voxels }
    return false
  }

  /// Voxels one task works on; fixed, so that sums do not depend on the number of cores.
  private static let pieceSize = 1 << 14

  /// The loss of one output.
  ///
  /// - Parameters:
  ///   - student, teacher: logits (N, C, V).
  ///   - batch, voxels: N and V.
  ///   - weight: what the gradient is multiplied by; the result is not.
  ///   - gradient: (N, C, V); the gradient by the student's logits is added.
  public func evaluate(
    student: UnsafePointer<Float>, teacher: UnsafePointer<Float>, batch: Int, voxels: Int, weight: Double,
    gradient: UnsafeMutablePointer<Float>
  ) -> Double {
    let channels = meaning.channelCount
    let perSample = (voxels + Self.pieceSize - 1) / Self.pieceSize
    let divisor = Double(batch * voxels * (mean == .elements || usesSigmoids ? channels : 1))
    let slope = Float(weight * temperature / divisor)
    let inverse = Float(1 / temperature)
    let kernel = usesSigmoids ? mt_distill_sigmoid : mt_distill_softmax
    var parts = [Double](repeating: 0, count: batch * perSample)
    let pointers = Shared((student, teacher, gradient))
    parts.withUnsafeMutableBufferPointer { buffer in
      guard let parts = buffer.baseAddress.map(Shared.init) else { return }
      Parallel.forEach(batch * perSample) { piece in
        let (sample, place) = piece.quotientAndRemainder(dividingBy: perSample)
        let start = place * Self.pieceSize
        let at = sample * channels * voxels + start
        let (student, teacher, gradient) = pointers.value
        parts.value[piece] = kernel(
          student + at, teacher + at, voxels, channels, min(Self.pieceSize, voxels - start), inverse, slope,
          gradient + at)
      }
    }
    return temperature * temperature * parts.reduce(0, +) / divisor
  }
}
