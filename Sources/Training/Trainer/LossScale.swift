import Checkpoints

/// What the loss is multiplied with so that gradients in half precision do not vanish: halved when they overflow, doubled
/// after so many steps without (PyTorch's `GradScaler`).
public struct LossScale: Sendable, Equatable {
  public private(set) var scale = 65536.0
  private var growth = 2.0
  private var backoff = 0.5
  private var interval = 2000
  /// Steps since the scale last changed.
  private var successes = 0

  public init() {}

  /// - Parameter isFinite: whether all gradients of the step were numbers.
  mutating func follow(isFinite: Bool) {
    if !isFinite {
      scale *= backoff
      successes = 0
      return
    }
    successes += 1
    guard successes >= interval else { return }
    successes = 0
    // Single precision has to hold it.
    let next = Float(scale * growth)
    if next.isFinite { scale = Double(next) }
  }

  /// As `GradScaler.state_dict`.
  var pickled: PickleValue {
    .dictionary(
      PickleDictionary([
        ("scale", .float(scale)), ("growth_factor", .float(growth)), ("backoff_factor", .float(backoff)),
        ("growth_interval", .int(interval)), ("_growth_tracker", .int(successes)),
      ]))
  }

  /// Nil where there is none.
  init?(pickled value: PickleValue?) {
    guard let scale = value?["scale"]?.number, scale.isFinite, scale > 0 else { return nil }
    self.scale = scale
    growth = value?["growth_factor"]?.number ?? growth
    backoff = value?["backoff_factor"]?.number ?? backoff
    interval = max(1, value?["growth_interval"]?.int ?? interval)
    // A file may say anything.
    successes = min(max(0, value?["_growth_tracker"]?.int ?? 0), interval - 1)
  }
}
