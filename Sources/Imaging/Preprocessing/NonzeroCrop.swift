import Basics
import CKernels

/// The part of an image that is not padding, as nnU-Net's `crop_to_nonzero` finds it.
public enum NonzeroCrop {
  /// The smallest box around all voxels that are not 0 in some channel; NaN is not 0. The whole image when all are 0.
  public static func boundingBox(of volume: Volume<Float>) -> Box3D {
    let shape = volume.shape
    let slices = volume.channels * shape.z
    guard shape.count > 0 else { return Box3D(shape) }
    var boxes = [SliceBox](repeating: SliceBox(), count: slices)
    volume.elements.withUnsafeBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      let source = Shared(base)
      boxes.withUnsafeMutableBufferPointer { boxes in
        let boxes = Shared(boxes)
        Parallel.ranges(slices) { range in
          for slice in range {
            boxes.value[slice] = SliceBox(source.value + slice * shape.y * shape.x, rows: shape.y, columns: shape.x)
          }
        }
      }
    }
    var union = SliceBox()
    var z = shape.z..<shape.z
    for (index, box) in boxes.enumerated() where !box.isEmpty {
      let slice = index % shape.z
      z = min(z.lowerBound, slice)..<(union.isEmpty ? slice + 1 : max(z.upperBound, slice + 1))
      union.merge(box)
    }
    guard !union.isEmpty else { return Box3D(shape) }
    return Box3D(
      lower: Shape3D(z.lowerBound, union.lowerY, union.lowerX), upper: Shape3D(z.upperBound, union.upperY, union.upperX)
    )
  }

  /// 1 where any channel is not 0 or the voxel lies in a hole (see `fillHoles`), else 0; the shape of the image.
  ///
  /// Needed only for masked normalisation and cascades. Cropping to the bounding box first gives the same mask for less
  /// work: beyond a face of the box all is background up to the outside.
  public static func filledMask(of volume: Volume<Float>) -> Volume<UInt8> {
    let count = volume.shape.count
    let channels = volume.channels
    var mask = Volume<UInt8>(shape: volume.shape, repeating: 0)
    mask.elements.withUnsafeMutableBufferPointer { mask in
      volume.elements.withUnsafeBufferPointer { voxels in
        guard let base = voxels.baseAddress, let target = mask.baseAddress else { return }
        let voxels = Shared(base)
        let mask = Shared(target)
        Parallel.ranges(count, minimum: 1 << 14) { range in
          for channel in 0..<channels {
            mt_mark_nonzero(
              voxels.value + channel * count + range.lowerBound, mask.value + range.lowerBound, range.count)
          }
        }
      }
    }
    mask.fillHoles()
    return mask
  }

  /// nnU-Net's stand-in for a segmentation: 0 inside the filled mask, -1 outside.
  public static func segmentation(of mask: Volume<UInt8>) -> Volume<Int16> {
    Volume(channels: mask.channels, shape: mask.shape, elements: mask.elements.map { $0 == 0 ? -1 : 0 })
  }
}

/// The rows and columns of a slice that hold something; empty when lower >= upper.
private struct SliceBox {
  var lowerY = Int.max
  var upperY = 0
  var lowerX = Int.max
  var upperX = 0

  var isEmpty: Bool { upperY == 0 }

  init() {}

  /// Looks at each row from the left up to its first value, and from the right only beyond the columns already known.
  init(_ slice: UnsafePointer<Float>, rows: Int, columns: Int) {
    for y in 0..<rows {
      let row = slice + y * columns
      let first = mt_first_nonzero(row, columns)
      guard first < columns else { continue }
      lowerY = min(lowerY, y)
      upperY = y + 1
      lowerX = min(lowerX, first)
      if upperX < columns { upperX += mt_end_of_nonzero(row + upperX, columns - upperX) }
    }
  }

  mutating func merge(_ other: SliceBox) {
    lowerY = min(lowerY, other.lowerY)
    upperY = max(upperY, other.upperY)
    lowerX = min(lowerX, other.lowerX)
    upperX = max(upperX, other.upperX)
  }
}
