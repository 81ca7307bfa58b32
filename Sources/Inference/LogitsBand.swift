import Basics
import CKernels
import Imaging
import Networks

/// A moving band of slices of accumulated logits, as deep as a patch, so that memory does not grow with the volume.
///
/// Logits are IEEE half bit patterns (the reference accumulates in half precision, and so its rounding is reproduced),
/// axes (K, Z, Y, X) with Z wrapping around: slice `z` lives at `z % depth`. Slices are opened in order, accumulated
/// into, finished in order, read, and overwritten when later slices need the room.
public final class LogitsBand: @unchecked Sendable {
  public let channels: Int
  /// Voxels along Y and X.
  public let rows: Int
  public let columns: Int
  /// How many slices fit.
  public let depth: Int
  private let folds: [UnsafeMutablePointer<UInt16>]
  private let weights: UnsafeMutablePointer<UInt16>
  private var opened = 0

  /// Voxels in a slice.
  private var plane: Int { rows * columns }

  /// - Parameter depth: slices in flight: the patch depth, plus one that interpolation between bands needs.
  init(channels: Int, folds: Int, depth: Int, rows: Int, columns: Int) {
    self.channels = channels
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.folds = (0..<folds).map { _ in .allocate(capacity: channels * depth * rows * columns) }
    weights = .allocate(capacity: depth * rows * columns)
  }

  deinit {
    for sums in folds { sums.deallocate() }
    weights.deallocate()
  }

  /// The finished logits of one slice: `rows * columns` half-precision numbers.
  @inlinable public func slice(_ channel: Int, _ z: Int) -> UnsafePointer<UInt16> { UnsafePointer(sums(0, channel, z)) }

  /// The distance between the same voxel of consecutive channels, in elements.
  public var channelStride: Int { depth * plane }

  @usableFromInline func sums(_ fold: Int, _ channel: Int, _ z: Int) -> UnsafeMutablePointer<UInt16> {
    folds[fold] + (channel * depth + z % depth) * plane
  }

  private func weightSlice(_ z: Int) -> UnsafeMutablePointer<UInt16> { weights + (z % depth) * plane }

  /// Makes slices up to `end` ready for accumulation.
  func open(upTo end: Int) {
    let fresh = opened..<max(opened, end)
    opened = max(opened, end)
    for z in fresh { weightSlice(z).update(repeating: 0, count: plane) }
    for fold in folds.indices {
      Parallel.ranges(channels) { channels in
        for channel in channels {
          for z in fresh { self.sums(fold, channel, z).update(repeating: 0, count: self.plane) }
        }
      }
    }
  }

  /// Adds a tile's prediction (K, Z, Y, X), multiplied by `scale` and its importance, where it lies inside the image.
  ///
  /// The tile's weight is counted with the first fold only: all folds see the same tiles.
  func add(
    _ prediction: UnsafePointer<Float>, fold: Int, tile: Tile, importance: UnsafePointer<UInt16>, scale: Float
  ) {
    let patch = tile.patch
    let inside = tile.inside
    let size = inside.shape
    guard size.count > 0 else { return }
    let prediction = Shared(prediction)
    let importance = Shared(importance)
    let offset = (inside.lower.y - tile.start.y) * patch.x + inside.lower.x - tile.start.x
    Parallel.ranges(channels) { channels in
      for channel in channels {
        for z in inside.lower.z..<inside.upper.z {
          let within = (z - tile.start.z) * patch.y * patch.x + offset
          mt_accumulate_plane(
            self.sums(fold, channel, z) + inside.lower.y * self.columns + inside.lower.x, self.columns,
            prediction.value + channel * patch.count + within, patch.x, importance.value + within, patch.x, size.y,
            size.x, scale)
        }
      }
    }
    if fold == 0 { addWeights(of: tile, importance: importance.value) }
  }

  /// Adds what `head` makes of a tile's features, multiplied by `scale`; otherwise as above.
  ///
  /// - Parameter isChannelsLast: whether the features' axes are (Z, Y, X, C) and not (C, Z, Y, X).
  func add(
    features: UnsafePointer<Float>, isChannelsLast: Bool, head: PointwiseHead, fold: Int, tile: Tile,
    importance: UnsafePointer<UInt16>, scale: Float
  ) {
    let patch = tile.patch
    let inside = tile.inside
    let size = inside.shape
    guard size.count > 0 else { return }
    head.weights.withUnsafeBufferPointer { weights in
      head.bias.withUnsafeBufferPointer { bias in
        let layer = mt_head(
          inputs: head.inputs, outputs: head.outputs, weights: weights.baseAddress, bias: bias.baseAddress)
        let shared = Shared((features: features, importance: importance, layer: layer))
        Parallel.ranges(size.z * size.y, minimum: 8) { rows in
          var layer = shared.value.layer
          for row in rows {
            let z = inside.lower.z + row / size.y
            let y = inside.lower.y + row % size.y
            let within =
              ((z - tile.start.z) * patch.y + y - tile.start.y) * patch.x + inside.lower.x - tile.start.x
            let sums = self.sums(fold, 0, z) + y * self.columns + inside.lower.x
            let (features, importance) = (shared.value.features, shared.value.importance + within)
            if isChannelsLast {
              mt_accumulate_head_row_of_voxels(
                sums, self.channelStride, &layer, features + within * layer.inputs, importance, size.x, scale)
            } else {
              mt_accumulate_head_row(
                sums, self.channelStride, &layer, features + within, patch.count, importance, size.x, scale)
            }
          }
        }
      }
    }
    if fold == 0 { addWeights(of: tile, importance: importance) }
  }

  /// Counts a tile's importance where it lies inside the image.
  private func addWeights(of tile: Tile, importance: UnsafePointer<UInt16>) {
    let patch = tile.patch
    let inside = tile.inside
    let size = inside.shape
    let offset = (inside.lower.y - tile.start.y) * patch.x + inside.lower.x - tile.start.x
    for z in inside.lower.z..<inside.upper.z {
      let within = (z - tile.start.z) * patch.y * patch.x + offset
      mt_accumulate_weights_plane(
        weightSlice(z) + inside.lower.y * columns + inside.lower.x, columns, importance + within, patch.x,
        size.y, size.x)
    }
  }

  /// Turns the sums of `slices` into logits: divides by the weights and averages the folds.
  ///
  /// Throws `badInput` if a logit is infinite, which means that the weights or the image are beyond repair.
  func finish(_ slices: Range<Int>) throws {
    let infinite = Shared(UnsafeMutablePointer<Int32>.allocate(capacity: channels))
    defer { infinite.value.deallocate() }
    Parallel.ranges(channels) { channels in
      for channel in channels {
        var flag: Int32 = 0
        for z in slices {
          let mean = self.sums(0, channel, z)
          for fold in self.folds.indices {
            let sums = self.sums(fold, channel, z)
            flag |= mt_divide_by_weights(sums, self.weightSlice(z), self.plane)
            if fold > 0 { mt_add_half(mean, sums, self.plane) }
          }
          if self.folds.count > 1 { flag |= mt_divide_half(mean, Float(self.folds.count), self.plane) }
        }
        infinite.value[channel] = flag
      }
    }
    guard (0..<channels).allSatisfy({ infinite.value[$0] == 0 }) else {
      throw Failure(
        .badInput, "the network predicted infinite logits",
        hint: "the weights are damaged, or intensities exceed half precision: check the image for extreme values")
    }
  }
}

extension PointwiseHead {
  /// Whether it can be made of features that come with their channels last.
  public var takesChannelsLast: Bool { inputs <= MT_HEAD_FEATURES }
}

/// One position of the patch.
struct Tile {
  /// The first voxel, in image coordinates; negative inside the padding.
  let start: Shape3D
  let patch: Shape3D
  /// The part of the tile that lies in the image.
  let inside: Box3D

  init(start: Shape3D, patch: Shape3D, image: Shape3D) {
    self.start = start
    self.patch = patch
    var lower = start
    var upper = start
    for axis in 0..<3 {
      lower[axis] = max(0, start[axis])
      upper[axis] = min(image[axis], start[axis] + patch[axis])
    }
    inside = Box3D(lower: lower, upper: upper)
  }
}
