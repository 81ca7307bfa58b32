import Basics
import Imaging

/// A re-arrangement of index axes: new axis `i` is old axis `axis[i]`, run backwards where `isFlipped[i]`.
public struct Orientation: Equatable, Sendable {
  /// Index order (x, y, z).
  var axis: [Int]
  var isFlipped: [Bool]

  public static let identity = Orientation(axis: [0, 1, 2], isFlipped: [false, false, false])

  public var isIdentity: Bool { self == .identity }

  /// Undoes this re-arrangement.
  public var inverse: Orientation {
    var result = Orientation.identity
    for new in 0..<3 {
      result.axis[axis[new]] = new
      result.isFlipped[axis[new]] = isFlipped[new]
    }
    return result
  }

  /// The box of the image before that becomes `box`. Axes are (Z, Y, X); `shape` is the image's before.
  public func original(_ box: Box3D, of shape: Shape3D) -> Box3D {
    var result = box
    for new in 0..<3 {
      let old = 2 - axis[new]
      let (lower, upper) = (box.lower[2 - new], box.upper[2 - new])
      result.lower[old] = isFlipped[new] ? shape[old] - upper : lower
      result.upper[old] = isFlipped[new] ? shape[old] - lower : upper
    }
    return result
  }

  /// Extents after the re-arrangement, index order.
  func permuted<Value>(_ values: [Value]) -> [Value] { axis.map { values[$0] } }

  // MARK: ITK

  private static let positive: [Character] = ["L", "P", "S"]
  private static let negative: [Character] = ["R", "A", "I"]

  /// The letters of the anatomical sides that the index axes run towards, given direction cosines in LPS.
  ///
  /// An oblique axis gets the side it is closest to; the largest cosines are decided first, as ITK does.
  static func code(ofDirection direction: Matrix3) -> String {
    var letters: [Character] = ["?", "?", "?"]
    var (rows, columns) = (Set(0..<3), Set(0..<3))
    for _ in 0..<3 {
      var best: (row: Int, column: Int, value: Double)?
      for column in columns.sorted() {
        for row in rows.sorted() where best == nil || abs(direction[row, column]) > abs(best?.value ?? 0) {
          best = (row, column, direction[row, column])
        }
      }
      guard let best else { break }
      letters[best.column] = best.value < 0 ? negative[best.row] : positive[best.row]
      rows.remove(best.row)
      columns.remove(best.column)
    }
    return String(letters)
  }

  /// The re-arrangement that turns index axes running towards `from` into ones running towards `to` ("RAS" style).
  /// Throws `badInput` when either is no orientation.
  public init(from: String, to: String) throws {
    func parse(_ code: String) throws -> [(world: Int, isNegative: Bool)] {
      let parsed = code.compactMap { letter -> (Int, Bool)? in
        if let world = Self.positive.firstIndex(of: letter) { return (world, false) }
        if let world = Self.negative.firstIndex(of: letter) { return (world, true) }
        return nil
      }
      guard parsed.count == 3, code.count == 3, Set(parsed.map(\.0)).count == 3 else {
        throw Failure(.badInput, "has no usable orientation: \"\(code)\"")
      }
      return parsed
    }
    let (old, new) = (try parse(from), try parse(to))
    self = .identity
    for (index, wanted) in new.enumerated() {
      guard let source = old.firstIndex(where: { $0.world == wanted.world }) else { continue }
      axis[index] = source
      isFlipped[index] = old[source].isNegative != wanted.isNegative
    }
  }

  init(axis: [Int], isFlipped: [Bool]) {
    self.axis = axis
    self.isFlipped = isFlipped
  }

  /// The grid of the re-arranged image. `sizes` are those before, index order.
  func apply(to geometry: ITKGeometry, sizes: [Int]) -> ITKGeometry {
    var result = geometry
    let direction = Matrix3(geometry.direction)
    for new in 0..<3 {
      let old = axis[new]
      result.spacing[new] = geometry.spacing[old]
      for row in 0..<3 {
        result.direction[row * 3 + new] = isFlipped[new] ? -direction[row, old] : direction[row, old]
        if isFlipped[new] { result.origin[row] += direction[row, old] * geometry.spacing[old] * Double(sizes[old] - 1) }
      }
    }
    return result
  }

  // MARK: nibabel

  /// The re-arrangement to the closest RAS+ axes: each index axis in turn takes the world axis it is most along, of
  /// those still free, after shears are removed. Throws `badInput` for an affine that has collapsed.
  public init(closestCanonical affine: Affine) throws {
    guard var rotation = affine.matrix.unitColumns().polarFactor() else {
      throw Failure(.badInput, "has a degenerate affine, so that its orientation is unknown")
    }
    self = .identity
    for index in 0..<3 {
      let column = (0..<3).map { abs(rotation[$0, index]) }
      let world = (0..<3).max { (column[$0], $1) < (column[$1], $0) } ?? index
      axis[world] = index
      isFlipped[world] = rotation[world, index] < 0
      for other in 0..<3 { rotation[world, other] = 0 }
    }
    guard Set(axis).count == 3 else {
      throw Failure(.badInput, "has a degenerate affine, so that its orientation is unknown")
    }
  }

  /// The affine of the re-arranged image. `sizes` are those before, index order (x, y, z).
  public func apply(to affine: Affine, sizes: [Int]) -> Affine {
    var result = affine
    for new in 0..<3 {
      let old = axis[new]
      for row in 0..<3 {
        result.matrix[row, new] = isFlipped[new] ? -affine.matrix[row, old] : affine.matrix[row, old]
        if isFlipped[new] { result.translation[row] += affine.matrix[row, old] * Double(sizes[old] - 1) }
      }
    }
    return result
  }
}
