/// How the learning rate falls over the epochs.
public enum LearningRateSchedule: Sendable, Equatable {
  /// rate (1 - epoch / epochs)^0.9
  case polynomial
  /// rate (1 + cos(pi epoch / epochs)) / 2
  case cosineAnnealing
  /// Rises in equal steps over so many epochs, then is polynomial over the others.
  case warmUp(Int)

  /// The rate of an epoch, counted from 0.
  public func rate(epoch: Int, of epochs: Int, initial: Double) -> Double {
    switch self {
    case .polynomial: return initial * power(1 - Double(epoch) / Double(epochs), 0.9)
    case .cosineAnnealing: return initial * (1 + cosine(Double.pi * Double(epoch) / Double(epochs))) / 2
    case .warmUp(let steps):
      if epoch < steps { return initial * Double(epoch + 1) / Double(steps) }
      return Self.polynomial.rate(epoch: epoch - steps, of: max(1, epochs - steps), initial: initial)
    }
  }
}
