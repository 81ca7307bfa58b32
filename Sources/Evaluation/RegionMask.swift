import Basics
import Imaging

extension LabelMap {
  /// 1 where the label is one of `labels`, else 0.
  func mask(of labels: Set<Int>) -> Volume<UInt8> {
    switch self {
    case .uint8(let volume): Self.mask(volume, labels)
    case .uint16(let volume): Self.mask(volume, labels)
    }
  }

  private static func mask<Label: FixedWidthInteger & BitwiseCopyable & Sendable>(
    _ volume: Volume<Label>, _ labels: Set<Int>
  ) -> Volume<UInt8> {
    var table = [UInt8](repeating: 0, count: Int(Label.max) + 1)
    for label in labels where table.indices.contains(label) { table[label] = 1 }
    let lookup = table
    return Volume(shape: volume.shape) { mask in
      volume.elements.withUnsafeBufferPointer { voxels in
        guard let voxels = voxels.baseAddress, let mask = mask.baseAddress else { return }
        let shared = Shared((voxels: voxels, mask: mask))
        Parallel.ranges(volume.shape.count, minimum: 1 << 14) { range in
          lookup.withUnsafeBufferPointer { lookup in
            for index in range { shared.value.mask[index] = lookup[Int(shared.value.voxels[index])] }
          }
        }
      }
    }
  }
}

extension Volume where Element == UInt8 {
  /// The smallest box around the voxels that are not 0 in this mask or in another of the same shape; nil if there are none.
  func box(with other: Volume<UInt8>) -> Box3D? {
    var lower = shape
    var upper = Shape3D(0, 0, 0)
    elements.withUnsafeBufferPointer { first in
      other.elements.withUnsafeBufferPointer { second in
        for z in 0..<shape.z {
          for y in 0..<shape.y {
            let row = (z * shape.y + y) * shape.x
            guard let left = (0..<shape.x).first(where: { first[row + $0] | second[row + $0] != 0 }),
              let right = (0..<shape.x).last(where: { first[row + $0] | second[row + $0] != 0 })
            else { continue }
            lower = Shape3D(min(lower.z, z), min(lower.y, y), min(lower.x, left))
            upper = Shape3D(max(upper.z, z + 1), max(upper.y, y + 1), max(upper.x, right + 1))
          }
        }
      }
    }
    return upper.z > 0 ? Box3D(lower: lower, upper: upper) : nil
  }

  /// 1 where a voxel is not 0 and one of its six face neighbours is, or lies outside of the image; of the part in `box`,
  /// outside of which everything is 0.
  func surface(cropped box: Box3D) throws -> Volume<UInt8> {
    let inner = try cropped(to: box)
    let shape = inner.shape
    return Volume(shape: shape) { result in
      inner.elements.withUnsafeBufferPointer { mask in
        guard let mask = mask.baseAddress, let result = result.baseAddress else { return }
        let shared = Shared((mask: mask, result: result))
        let (rowStride, sliceStride) = (shape.x, shape.y * shape.x)
        Parallel.ranges(shape.z) { slices in
          for z in slices {
            for y in 0..<shape.y {
              let isBorderRow = z == 0 || z == shape.z - 1 || y == 0 || y == shape.y - 1
              let row = (z * shape.y + y) * shape.x
              for x in 0..<shape.x {
                let at = row + x
                guard shared.value.mask[at] != 0 else {
                  shared.value.result[at] = 0
                  continue
                }
                let mask = shared.value.mask
                let isInside =
                  !isBorderRow && x > 0 && x < shape.x - 1 && mask[at - 1] != 0 && mask[at + 1] != 0
                  && mask[at - rowStride] != 0 && mask[at + rowStride] != 0 && mask[at - sliceStride] != 0
                  && mask[at + sliceStride] != 0
                shared.value.result[at] = isInside ? 0 : 1
              }
            }
          }
        }
      }
    }
  }
}
