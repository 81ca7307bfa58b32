import CKernels
import Imaging

/// A ball or disc of voxels of a real radius, for morphological operators.
///
/// A ball has floor(2r + 1) points along each axis, evenly spread over -r...r, so that one with an even number of points
/// lies half a voxel off. A disc has the points -r, -r + 1, ... below r + 1, so that it is lopsided unless r is whole.
struct StructuringElement: Sendable {
  /// A run along X.
  private struct Run {
    let z: Int
    let y: Int
    /// How many voxels it reaches to lower and higher X.
    let before: Int
    let after: Int
  }

  private var runs: [Run] = []
  private var reach = 0

  /// - Parameter isPlanar: a disc in the plane (Y, X) instead of a ball.
  init(radius: Double, isPlanar: Bool) {
    let count = Int((2 * radius + 1).rounded(isPlanar ? .up : .down))
    let points = (0..<count).map { index in
      isPlanar || count < 2 ? Double(index) - radius : -radius + Double(index) * (2 * radius / Double(count - 1))
    }
    let middle = (count - 1) / 2
    for z in isPlanar ? 0..<1 : 0..<count {
      for y in 0..<count {
        let rest = (isPlanar ? 0 : points[z] * points[z]) + points[y] * points[y]
        let inside = points.indices.filter { rest + points[$0] * points[$0] <= radius * radius }
        guard let first = inside.first, let last = inside.last else { continue }
        runs.append(Run(z: isPlanar ? 0 : z - middle, y: y - middle, before: middle - first, after: last - middle))
        reach = max(reach, middle - first, last - middle)
      }
    }
  }

  /// The operators that augmentation chooses from.
  enum Operator: CaseIterable, Sendable { case dilation, erosion, closing, opening }

  /// Applies an operator to a mask of zeros and ones.
  func apply(_ operation: Operator, to mask: Volume<UInt8>) -> Volume<UInt8> {
    switch operation {
    case .dilation: dilated(mask)
    case .erosion: eroded(mask)
    case .closing: eroded(dilated(mask))
    case .opening: dilated(eroded(mask))
    }
  }

  /// What is outside of the mask is set, so that its border does not erode.
  private func eroded(_ mask: Volume<UInt8>) -> Volume<UInt8> { inverted(dilated(inverted(mask))) }

  private func inverted(_ mask: Volume<UInt8>) -> Volume<UInt8> {
    Volume(shape: mask.shape, elements: mask.elements.map { $0 ^ 1 })
  }

  private func dilated(_ mask: Volume<UInt8>) -> Volume<UInt8> {
    let shape = mask.shape
    let margin = reach + 1
    // The number of set voxels before each voxel of a row tells of any run whether it meets one.
    let width = shape.x + 2 * margin + 1
    var counts = [Int32](repeating: 0, count: shape.z * shape.y * width)
    for row in 0..<shape.z * shape.y {
      var sum: Int32 = 0
      for x in 0..<shape.x {
        sum += Int32(mask.elements[row * shape.x + x])
        counts[row * width + margin + x + 1] = sum
      }
      for x in shape.x + 1...shape.x + margin { counts[row * width + margin + x] = sum }
    }
    var result = Volume<UInt8>(shape: shape, repeating: 0)
    result.elements.withUnsafeMutableBufferPointer { out in
      counts.withUnsafeBufferPointer { counts in
        guard let out = out.baseAddress, let counts = counts.baseAddress else { return }
        for run in runs {
          for z in max(0, -run.z)..<max(max(0, -run.z), min(shape.z, shape.z - run.z)) {
            for y in max(0, -run.y)..<max(max(0, -run.y), min(shape.y, shape.y - run.y)) {
              let prefix = counts + ((z + run.z) * shape.y + y + run.y) * width
              guard prefix[width - 1] > 0 else { continue }
              mt_dilate_row(out + (z * shape.y + y) * shape.x, prefix, margin, run.before, run.after, shape.x)
            }
          }
        }
      }
    }
    return result
  }
}
