/// Which input samples contribute to each output sample along one axis, and with what weights.
///
/// Output sample `k` of `m` lies at `u = (k + 0.5) * (n / m) - 0.5` on an axis of `n` input samples: both grids cover the
/// same extent. All arithmetic is in double precision and in this order, so that ties fall as they do in scipy's
/// `zoom(grid_mode=True, mode="nearest")`.
public enum ResampleTaps {
  /// Linear interpolation: `value[k] = weight0[k] * input[index0[k]] + weight1[k] * input[index1[k]]`.
  public struct Linear: Sendable, Equatable {
    /// The two neighbours of each output sample, already clamped to the input.
    public var index0: [Int32]
    public var index1: [Int32]
    /// Their weights, which add up to 1. The position itself is not clamped, so beyond the outermost sample centres both
    /// indices name the same sample.
    public var weight0: [Double]
    public var weight1: [Double]
  }

  /// The taps of linear interpolation from `input` to `output` samples (both > 0).
  public static func linear(input: Int, output: Int) -> Linear {
    var taps = Linear(index0: [], index1: [], weight0: [], weight1: [])
    let ratio = Double(input) / Double(output)
    let last = input - 1
    for k in 0..<max(0, output) {
      let position = (Double(k) + 0.5) * ratio - 0.5
      let floor = position.rounded(.down)
      let first = Int(floor)
      let weight0 = 1 - (position - floor)
      taps.index0.append(Int32(clamping: min(max(first, 0), last)))
      taps.index1.append(Int32(clamping: min(max(first + 1, 0), last)))
      taps.weight0.append(weight0)
      taps.weight1.append(1 - weight0)
    }
    return taps
  }

  /// The input index of each output sample for nearest-neighbour picking: the rule of spline order 0 in the plane and of
  /// `order_z` 0 along a separate axis.
  public static func nearest(input: Int, output: Int) -> [Int32] {
    let ratio = Double(input) / Double(output)
    return (0..<max(0, output)).map { k in
      let position = ratio * (Double(k) + 0.5) - 0.5
      return Int32(clamping: min(max(Int((position + 0.5).rounded(.down)), 0), input - 1))
    }
  }
}
