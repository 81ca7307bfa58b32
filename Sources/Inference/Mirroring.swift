import CKernels
import Imaging

/// Which axes of a patch are reversed, as a set of array axes 0 (Z), 1 (Y), 2 (X).
struct Flip: Sendable, Equatable {
  let axes: [Int]

  static let none = Flip(axes: [])

  private func reverses(_ axis: Int) -> Bool { axes.contains(axis) }

  /// All subsets of `axes` in the reference's order: none, then by size, then by axis.
  static func all(of axes: [Int]) -> [Flip] {
    let subsets = (0..<(1 << axes.count)).map { bits in axes.indices.filter { bits >> $0 & 1 == 1 }.map { axes[$0] } }
    return
      subsets
      .sorted { ($0.count, $0.map(String.init).joined()) < ($1.count, $1.map(String.init).joined()) }
      .map(Flip.init)
  }

  /// Copies the tile out of an image (C, Z, Y, X) into `target`, reversed, with zeros where the tile leaves the image.
  func copy(_ tile: Tile, of image: Volume<Float>, to target: UnsafeMutablePointer<Float>) {
    let patch = tile.patch
    let inside = tile.inside
    if inside.shape != patch { target.update(repeating: 0, count: image.channels * patch.count) }
    guard inside.shape.z > 0, inside.shape.y > 0, inside.shape.x > 0 else { return }
    let length = inside.shape.x
    let column =
      reverses(2) ? patch.x - (inside.upper.x - tile.start.x) : inside.lower.x - tile.start.x
    image.elements.withUnsafeBufferPointer { voxels in
      guard let voxels = voxels.baseAddress else { return }
      for channel in 0..<image.channels {
        for z in inside.lower.z..<inside.upper.z {
          let slice = place(z - tile.start.z, patch.z, reverses(0))
          for y in inside.lower.y..<inside.upper.y {
            let row = place(y - tile.start.y, patch.y, reverses(1))
            let source = voxels + image.index(channel, z, y, inside.lower.x)
            let destination = target + ((channel * patch.z + slice) * patch.y + row) * patch.x + column
            if reverses(2) {
              mt_reverse_row(destination, source, length)
            } else {
              destination.update(from: source, count: length)
            }
          }
        }
      }
    }
  }

  /// sum += prediction with the reversal undone, for the given channels of a patch.
  func add(
    _ prediction: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, channels: Range<Int>, patch: Shape3D
  ) {
    for channel in channels {
      for z in 0..<patch.z {
        let slice = place(z, patch.z, reverses(0))
        for y in 0..<patch.y {
          let row = place(y, patch.y, reverses(1))
          mt_add_rows(
            sum + ((channel * patch.z + z) * patch.y + y) * patch.x,
            prediction + ((channel * patch.z + slice) * patch.y + row) * patch.x, patch.x, reverses(2) ? 1 : 0)
        }
      }
    }
  }

  private func place(_ index: Int, _ extent: Int, _ reversed: Bool) -> Int { reversed ? extent - 1 - index : index }
}
