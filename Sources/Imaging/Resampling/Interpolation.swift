import Basics

/// How values between samples are found along one axis, named by the degree of the spline.
public enum Interpolation: Int, Sendable, CaseIterable {
  /// The sample whose cell the position falls into.
  case nearest = 0
  /// A straight line between the two neighbours.
  case linear = 1
  /// A cubic B-spline through all samples (prefiltered, so that it interpolates them).
  case cubic = 3

  /// The interpolation of a spline `order` as nnU-Net plans name it.
  ///
  /// Throws `badInput` for orders 2, 4 and 5, which the reference accepts but never plans, and for anything else.
  public init(order: Int) throws {
    guard let known = Interpolation(rawValue: order) else {
      throw Failure(
        .badInput, "resampling with spline order \(order) is not supported",
        hint: "use order 0, 1 or 3; nnU-Net's planner makes no others")
    }
    self = known
  }
}

/// Whether one axis is so much coarser than the others that it is resampled on its own, as nnU-Net decides it.
public enum SeparateAxis {
  /// The ratio of the largest to the smallest spacing above which the coarse axis is treated separately.
  public static let threshold = 3.0

  /// The axis (0, 1 or 2) to resample separately, or nil to resample all three together.
  ///
  /// - Parameters:
  ///   - current: the spacing of the data, in mm, (Z, Y, X).
  ///   - new: the spacing wanted.
  ///   - force: nil decides by the ratios (current spacing first, then new); true takes the coarsest current axis;
  ///     false never separates.
  ///   - threshold: the ratio that must be exceeded.
  /// - Returns: nil also when two or three axes share the largest spacing; the new spacing is then not looked at.
  public static func decide(
    current: Vector3D, new: Vector3D, force: Bool? = nil, threshold: Double = SeparateAxis.threshold
  ) -> Int? {
    switch force {
    case false?: nil
    case true?: coarsestAxis(current)
    case nil where isAnisotropic(current, threshold): coarsestAxis(current)
    case nil where isAnisotropic(new, threshold): coarsestAxis(new)
    case nil: nil
    }
  }

  /// The interpolation of each axis (Z, Y, X) for given spacings and the two orders a plan names.
  ///
  /// - Parameters:
  ///   - order: in the plane, or everywhere when no axis is separate.
  ///   - orderZ: along the separate axis.
  public static func interpolations(
    current: Vector3D, new: Vector3D, order: Interpolation, orderZ: Interpolation, force: Bool? = nil,
    threshold: Double = SeparateAxis.threshold
  ) -> [Interpolation] {
    let separate = decide(current: current, new: new, force: force, threshold: threshold)
    return (0..<3).map { $0 == separate ? orderZ : order }
  }

  private static func isAnisotropic(_ spacing: Vector3D, _ threshold: Double) -> Bool {
    let axes = spacing.axes
    return max(axes[0], axes[1], axes[2]) / min(axes[0], axes[1], axes[2]) > threshold
  }

  private static func coarsestAxis(_ spacing: Vector3D) -> Int? {
    let largest = max(spacing.z, spacing.y, spacing.x)
    // The reference compares quotients with 1, not the spacings themselves.
    let candidates = (0..<3).filter { largest / spacing[$0] == 1 }
    return candidates.count == 1 ? candidates[0] : nil
  }
}
