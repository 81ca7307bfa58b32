import Basics
import CKernels

/// Resizes volumes as nnU-Net's optional `resample_torch_fornnunet` does, with PyTorch's conventions.
///
/// Positions are computed in single precision and clamped at 0; nothing is clipped; along a separate axis slices are
/// picked with the rule `nearest-exact`. Values agree with PyTorch's to about 4e-7 of the intensity range, because
/// PyTorch sums in single precision.
public struct TorchResampler: Sendable {
  /// Whether to treat the coarsest axis separately; nil decides by the spacings.
  public var forceSeparateZ: Bool?
  /// The ratio of spacings above which an axis is separate.
  public var threshold: Double
  /// nnU-Net's `memefficient_seg_resampling`: a label needs more than half of a voxel, the largest such label wins.
  public var memoryEfficientLabels: Bool

  public init(
    forceSeparateZ: Bool? = nil, threshold: Double = SeparateAxis.threshold, memoryEfficientLabels: Bool = false
  ) {
    self.forceSeparateZ = forceSeparateZ
    self.threshold = threshold
    self.memoryEfficientLabels = memoryEfficientLabels
  }

  /// The volume on a grid of `shape` voxels, every channel on its own. Throws `badInput` for empty shapes.
  public func resample(
    _ volume: Volume<Float>, to shape: Shape3D, currentSpacing: Vector3D, newSpacing: Vector3D
  ) throws -> Volume<Float> {
    if volume.shape == shape { return volume }
    try Resampler.check(volume.shape, shape, channels: volume.channels)
    let axes = axes(from: volume.shape, to: shape, currentSpacing, newSpacing)
    return Resampler().resizeLinearly(volume, to: shape, z: axes[0], y: axes[1], x: axes[2])
  }

  /// A segmentation on a grid of `shape` voxels, every channel on its own; labels may be negative. Throws `badInput` for
  /// empty shapes.
  public func resampleLabels(
    _ labels: Volume<Int16>, to shape: Shape3D, currentSpacing: Vector3D, newSpacing: Vector3D
  ) throws -> Volume<Int16> {
    if labels.shape == shape { return labels }
    try Resampler.check(labels.shape, shape, channels: labels.channels)
    // PyTorch's ties never ask for the nearest voxel, but the kernel reads it.
    let nearest = (0..<3).map { ResampleTaps.nearest(input: labels.shape[$0], output: shape[$0]) }
    return LabelResizer(
      from: labels.shape, to: shape, taps: axes(from: labels.shape, to: shape, currentSpacing, newSpacing),
      nearest: nearest,
      rule: memoryEfficientLabels ? MT_LABEL_MORE_THAN_HALF : MT_LABEL_LARGEST_HALF_PRECISION_SHARE
    ).resize(labels)
  }

  private func axes(
    from: Shape3D, to: Shape3D, _ current: Vector3D, _ new: Vector3D
  ) -> [LinearAxis] {
    let separate = SeparateAxis.decide(current: current, new: new, force: forceSeparateZ, threshold: threshold)
    return (0..<3).map { axis in
      let taps =
        axis == separate
        ? ResampleTaps.picking(Self.nearestExact(input: from[axis], output: to[axis]))
        : Self.linear(input: from[axis], output: to[axis], fused: separate != nil)
      return LinearAxis(input: from[axis], taps: taps)
    }
  }

  /// PyTorch's taps for `linear` modes with `align_corners=False`.
  ///
  /// PyTorch's kernel for two-dimensional slices computes the position with a fused multiply-add (on processors that have
  /// one), its kernel for volumes with two roundings; that decides labels where two regions meet half-way.
  public static func linear(input: Int, output: Int, fused: Bool) -> ResampleTaps.Linear {
    var taps = ResampleTaps.Linear(index0: [], index1: [], weight0: [], weight1: [])
    let scale = Float(input) / Float(output)
    for k in 0..<output {
      let center = Float(k) + 0.5
      let position = max(fused ? (-0.5 as Float).addingProduct(scale, center) : scale * center - 0.5, 0)
      let first = min(Int(position), input - 1)
      let fraction = min(max(position - Float(first), 0), 1)
      taps.index0.append(Int32(clamping: first))
      taps.index1.append(Int32(clamping: min(first + 1, input - 1)))
      taps.weight0.append(Double(1 - fraction))
      taps.weight1.append(Double(fraction))
    }
    return taps
  }

  /// PyTorch's `nearest-exact`.
  public static func nearestExact(input: Int, output: Int) -> [Int32] {
    let scale = Float(input) / Float(output)
    return (0..<output).map { Int32(clamping: min(Int((Float($0) + 0.5) * scale), input - 1)) }
  }
}
