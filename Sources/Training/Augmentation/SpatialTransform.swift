import Basics
import CKernels
import Imaging

/// Turning and scaling about the centre of a patch.
struct SpatialTransform: Sendable, Equatable {
  /// From offsets to the centre of the result to offsets to the centre of the source, row by row.
  let matrix: [[Double]]

  /// - Parameters:
  ///   - angles: about Z, Y and X, in radians.
  ///   - scales: along Z, Y and X; more than 1 shrinks what is seen.
  init(angles: [Double], scales: [Double]) {
    let (cx, sx) = (cosine(angles[0]), sine(angles[0]))
    let (cy, sy) = (cosine(angles[1]), sine(angles[1]))
    let (cz, sz) = (cosine(angles[2]), sine(angles[2]))
    let first = [[1, 0, 0], [0, cx, -sx], [0, sx, cx]]
    let second = [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]
    let third = [[cz, -sz, 0], [sz, cz, 0], [0, 0, 1.0]]
    let turned = Self.product(Self.product(third, second), first)
    matrix = turned.map { row in (0..<3).map { row[$0] * scales[$0] } }
  }

  private static func product(_ left: [[Double]], _ right: [[Double]]) -> [[Double]] {
    left.map { row in (0..<3).map { column in (0..<3).reduce(0) { $0 + row[$1] * right[$1][column] } } }
  }

  /// Where voxel (0, 0, 0) of the result lies in the source.
  private func origin(from source: Shape3D, to result: Shape3D) -> [Double] {
    (0..<3).map { row in
      (0..<3).reduce(Double(source[row] - 1) / 2) { $0 - matrix[row][$1] * Double(result[$1] - 1) / 2 }
    }
  }

  /// The voxels of the source that the result depends on.
  func support(from source: Shape3D, to result: Shape3D) -> Box3D {
    let origin = origin(from: source, to: result)
    var box = Box3D(source)
    for row in 0..<3 {
      var (low, high) = (origin[row], origin[row])
      for column in 0..<3 {
        let reach = matrix[row][column] * Double(result[column] - 1)
        low += min(0, reach)
        high += max(0, reach)
      }
      box.lower[row] = min(max(0, Int(low.rounded(.down)) - 1), source[row] - 1)
      box.upper[row] = max(min(source[row], Int(high.rounded(.up)) + 2), box.lower[row] + 1)
    }
    return box
  }

  /// A way through the source: where each row of the result begins, and how far apart its voxels are.
  struct Rows {
    let origin: [Double]
    let matrix: [[Double]]

    func start(z: Int, y: Int) -> [Double] {
      (0..<3).map { origin[$0] + matrix[$0][0] * Double(z) + matrix[$0][1] * Double(y) }
    }

    var step: [Double] { matrix.map { $0[2] } }
  }

  /// - Parameters:
  ///   - source, result: the shapes of the patches before and after.
  ///   - box: the part of the source that is at hand.
  func rows(from source: Shape3D, to result: Shape3D, box: Box3D) -> Rows {
    let origin = origin(from: source, to: result)
    return Rows(origin: (0..<3).map { origin[$0] - Double(box.lower[$0]) }, matrix: matrix)
  }

  /// One channel, linear or of the nearest voxels, with zeros outside of the source.
  static func apply(
    _ rows: Rows, image source: UnsafePointer<Float>, _ shape: Shape3D, nearest: Bool = false,
    to out: UnsafeMutablePointer<Float>, _ result: Shape3D
  ) {
    let sample = nearest ? mt_affine_nearest_row : mt_affine_row
    let axes = shape.axes.map(Int64.init)
    let step = rows.step
    for z in 0..<result.z {
      for y in 0..<result.y {
        sample(
          out + (z * result.y + y) * result.x, source, axes, rows.start(z: z, y: y), step, result.x)
      }
    }
  }

  /// One channel of labels, with -1 outside of the source: the label with the largest linear weight, or the nearest.
  static func apply(
    _ rows: Rows, labels source: UnsafePointer<Int16>, _ shape: Shape3D, nearest: Bool,
    to out: UnsafeMutablePointer<Int16>, _ result: Shape3D
  ) {
    let axes = shape.axes.map(Int64.init)
    let step = rows.step
    for z in 0..<result.z {
      for y in 0..<result.y {
        mt_affine_labels_row(
          out + (z * result.y + y) * result.x, source, axes, rows.start(z: z, y: y), step, result.x, nearest ? 1 : 0)
      }
    }
  }
}
