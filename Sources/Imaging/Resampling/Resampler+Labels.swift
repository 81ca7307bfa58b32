import Basics
import CKernels

/// Which label a resampled voxel gets, given each label's linearly interpolated share of it.
public enum LabelVoting: Sendable, CaseIterable {
  /// The label with the largest share; ties go to the nearest voxel's label if it is among them, else to the smallest.
  /// (batchgenerators 0.25.4 and later.)
  case largestShare
  /// The largest label with a share of at least one half; 0 if there is none. (batchgenerators up to 0.25.3, with which
  /// models published before autumn 2026 were evaluated.)
  case half
}

extension Resampler {
  /// A segmentation on a grid of `shape` voxels, every channel on its own; labels may be negative.
  ///
  /// `order` must be linear or nearest, and slices along a separate axis are picked (`orderZ` nearest), which is what
  /// nnU-Net plans; anything else throws `badInput`, as do empty shapes.
  public func resampleLabels(
    _ labels: Volume<Int16>, to shape: Shape3D, currentSpacing: Vector3D, newSpacing: Vector3D,
    rule: LabelVoting = .largestShare
  ) throws -> Volume<Int16> {
    if labels.shape == shape { return labels }
    try Self.check(labels.shape, shape, channels: labels.channels)
    let axis = separateAxis(currentSpacing, newSpacing)
    guard order != .cubic, axis == nil || orderZ == .nearest || labels.shape[axis ?? 0] == shape[axis ?? 0] else {
      throw Failure(
        .badInput, "a segmentation can be resampled with order 0 or 1 only, and order 0 along a separate axis",
        hint: "check resampling_fn_seg_kwargs in the plans")
    }
    let nearest = (0..<3).map { ResampleTaps.nearest(input: labels.shape[$0], output: shape[$0]) }
    let taps = (0..<3).map { index in
      index == axis || order == .nearest
        ? LinearAxis(input: labels.shape[index], taps: ResampleTaps.picking(nearest[index]))
        : LinearAxis(input: labels.shape[index], output: shape[index])
    }
    let kernelRule = rule == .half ? MT_LABEL_AT_LEAST_HALF : MT_LABEL_LARGEST_SHARE
    return LabelResizer(from: labels.shape, to: shape, taps: taps, nearest: nearest, rule: kernelRule).resize(labels)
  }
}

/// Resizes label volumes; work beyond a copy is done only where neighbouring labels differ.
struct LabelResizer: Sendable {
  let from: Shape3D
  let to: Shape3D
  /// Per axis (Z, Y, X): the taps whose labels compete, and the nearest sample, which decides ties.
  let taps: [LinearAxis]
  let nearest: [[Int32]]
  let rule: mt_label_rule

  func resize(_ labels: Volume<Int16>) -> Volume<Int16> {
    labels.elements.withUnsafeBufferPointer { source in
      Volume<Int16>(channels: labels.channels, shape: to) { result in
        guard let source = source.baseAddress, let result = result.baseAddress else { return }
        for channel in 0..<labels.channels {
          resize(Shared(source + channel * from.count), Shared(result + channel * to.count))
        }
      }
    }
  }

  private func resize(_ source: Shared<UnsafePointer<Int16>>, _ result: Shared<UnsafeMutablePointer<Int16>>) {
    Parallel.ranges(to.z * to.y, minimum: 16) { range in
      let agree = UnsafeMutablePointer<UInt8>.allocate(capacity: from.x)
      defer { agree.deallocate() }
      var axis = taps[2].kernel
      for index in range {
        let (z, y) = index.quotientAndRemainder(dividingBy: to.y)
        var rows: [UnsafePointer<Int16>?] = []
        var weights: [Double] = []
        for slice in taps[0].contributions(z) where slice.weight != 0 {
          for row in taps[1].contributions(y) where row.weight != 0 {
            rows.append(source.value + (slice.index * from.y + row.index) * from.x)
            weights.append(slice.weight * row.weight)
          }
        }
        nearest[2].withUnsafeBufferPointer { columns in
          mt_label_row(
            rows, weights, rows.count, &axis,
            source.value + (Int(nearest[0][z]) * from.y + Int(nearest[1][y])) * from.x, columns.baseAddress,
            rule, agree, result.value + index * to.x)
        }
      }
    }
  }
}

extension ResampleTaps {
  /// Taps that take one sample each.
  static func picking(_ indices: [Int32]) -> Linear {
    Linear(
      index0: indices, index1: indices, weight0: Array(repeating: 1, count: indices.count),
      weight1: Array(repeating: 0, count: indices.count))
  }
}
