import Basics
import CKernels

/// A binary volume of one bit per voxel, axes (Z, Y, X): what neighbourhood operations on masks are fast on.
///
/// A row along X is a sequence of 64-bit words; bits beyond the row are 0, and so are the words between two rows, so that
/// kernels may look to the left and to the right of a row without asking whether there is something.
public struct BitMask: Sendable {
  public let shape: Shape3D
  /// From one row to the next, in words: the row and a word of zeros.
  let pitch: Int
  /// A word of zeros, then the rows in raster order.
  var words: [UInt64]
  /// Slices and rows outside of these hold no bit that is set.
  var slices: Range<Int>
  var rows: Range<Int>

  /// Without any voxel.
  init(empty shape: Shape3D) {
    self.shape = shape
    pitch = (shape.x + 63) / 64 + 1
    words = [UInt64](repeating: 0, count: shape.z * shape.y * pitch + 1)
    slices = 0..<0
    rows = 0..<0
  }

  /// The voxels of the first channel of `mask` that are not 0.
  public init(_ mask: Volume<UInt8>) {
    self.init(mask) { mt_pack_nonzero($0, $1, $2) != 0 }
  }

  /// The voxels of the first channel of `map` with one of `labels`.
  public init(_ map: Volume<UInt8>, labels: LabelSet) {
    let isSelected = labels.table
    self.init(map) { mt_pack_selected($0, $1, $2, isSelected) != 0 }
  }

  /// Packs all rows; `pack` says whether it found anything.
  private init(
    _ volume: Volume<UInt8>, pack: @Sendable (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt64>, Int) -> Bool
  ) {
    self.init(empty: volume.shape)
    let shape = volume.shape
    let pitch = self.pitch
    guard shape.count > 0 else { return }
    var isUsed = [Bool](repeating: false, count: shape.z * shape.y)
    volume.elements.withUnsafeBufferPointer { voxels in
      words.withUnsafeMutableBufferPointer { words in
        isUsed.withUnsafeMutableBufferPointer { isUsed in
          guard let from = voxels.baseAddress, let to = words.baseAddress else { return }
          let source = Shared(from)
          let target = Shared(to + 1)
          let isUsed = Shared(isUsed)
          Parallel.ranges(shape.z * shape.y, minimum: 64) { rows in
            for row in rows {
              isUsed.value[row] = pack(source.value + row * shape.x, target.value + row * pitch, shape.x)
            }
          }
        }
      }
    }
    var (first, last) = (shape.y, -1)
    for z in 0..<shape.z {
      let flags = isUsed[z * shape.y..<(z + 1) * shape.y]
      guard let lower = flags.firstIndex(of: true), let upper = flags.lastIndex(of: true) else { continue }
      slices = (slices.isEmpty ? z : slices.lowerBound)..<z + 1
      (first, last) = (min(first, lower - z * shape.y), max(last, upper - z * shape.y))
    }
    if last >= first { rows = first..<last + 1 }
  }

  /// 1 where a bit is set, else 0.
  public var volume: Volume<UInt8> {
    Volume(shape: shape) { voxels in
      guard let base = voxels.baseAddress else { return }
      forEachRow(of: base) { words, voxels, count in mt_unpack(words, voxels, count) }
    }
  }

  /// Writes 1 to the first channel of `mask` where a bit is set, else 0.
  public func unpack(into mask: inout Volume<UInt8>) { write(to: &mask) { mt_unpack($0, $1, $2) } }

  /// Writes 0 to the first channel of `map` where no bit is set.
  public func clearOutside(of map: inout Volume<UInt8>) { write(to: &map) { mt_keep_packed($0, $1, $2) } }

  /// The number of bits that are set.
  public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Clears the bits that are set in `other`, of the same shape.
  public mutating func subtract(_ other: BitMask) {
    precondition(other.shape == shape, "the masks must have the same shape")
    words.withUnsafeMutableBufferPointer { words in
      other.words.withUnsafeBufferPointer { others in
        for index in words.indices { words[index] &= ~others[index] }
      }
    }
  }

  /// Clears the bits of the voxels of `image`, of the same shape, that are not low < value < high; a NaN is not.
  public mutating func keep(where image: Volume<Float>, isAbove low: Float, below high: Float) {
    precondition(image.shape == shape, "the image must have the shape of the mask")
    let (shape, pitch) = (self.shape, self.pitch)
    words.withUnsafeMutableBufferPointer { words in
      image.elements.withUnsafeBufferPointer { values in
        guard let from = values.baseAddress, let to = words.baseAddress else { return }
        let (source, target) = (Shared(from), Shared(to + 1))
        Parallel.ranges(shape.z * shape.y, minimum: 64) { rows in
          for row in rows {
            mt_keep_between(target.value + row * pitch, source.value + row * shape.x, shape.x, low, high)
          }
        }
      }
    }
  }

  private func write(
    to volume: inout Volume<UInt8>,
    _ body: @Sendable (UnsafePointer<UInt64>, UnsafeMutablePointer<UInt8>, Int) -> Void
  ) {
    precondition(volume.shape == shape, "the volume must have the shape of the mask")
    volume.elements.withUnsafeMutableBufferPointer { voxels in
      guard let base = voxels.baseAddress else { return }
      forEachRow(of: base, body)
    }
  }

  private func forEachRow(
    of voxels: UnsafeMutablePointer<UInt8>,
    _ body: @Sendable (UnsafePointer<UInt64>, UnsafeMutablePointer<UInt8>, Int) -> Void
  ) {
    let (shape, pitch) = (self.shape, self.pitch)
    words.withUnsafeBufferPointer { words in
      guard let from = words.baseAddress else { return }
      let source = Shared(from + 1)
      let target = Shared(voxels)
      Parallel.ranges(shape.z * shape.y, minimum: 64) { rows in
        for row in rows { body(source.value + row * pitch, target.value + row * shape.x, shape.x) }
      }
    }
  }
}
