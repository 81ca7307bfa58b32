/// A 3x3 matrix of doubles.
struct Matrix3: Equatable, Sendable {
  /// Row-major.
  var values: [Double]

  /// The identity.
  init() { values = [1, 0, 0, 0, 1, 0, 0, 0, 1] }

  /// Row-major values; nine of them.
  init(_ values: [Double]) { self.values = values }

  subscript(row: Int, column: Int) -> Double {
    get { values[row * 3 + column] }
    set { values[row * 3 + column] = newValue }
  }

  func columnNorm(_ column: Int) -> Double {
    (self[0, column] * self[0, column] + self[1, column] * self[1, column] + self[2, column] * self[2, column])
      .squareRoot()
  }

  /// Each column divided by its length.
  func unitColumns() -> Matrix3 {
    var result = self
    for column in 0..<3 {
      let norm = columnNorm(column)
      for row in 0..<3 { result[row, column] = self[row, column] / norm }
    }
    return result
  }

  var transposed: Matrix3 { Matrix3((0..<9).map { self[$0 % 3, $0 / 3] }) }

  static func * (left: Matrix3, right: Matrix3) -> Matrix3 {
    Matrix3((0..<9).map { index in (0..<3).reduce(0) { $0 + left[index / 3, $1] * right[$1, index % 3] } })
  }

  static func * (left: Matrix3, right: [Double]) -> [Double] {
    (0..<3).map { row in (0..<3).reduce(0) { $0 + left[row, $1] * right[$1] } }
  }

  var determinant: Double {
    self[0, 0] * (self[1, 1] * self[2, 2] - self[1, 2] * self[2, 1])
      - self[0, 1] * (self[1, 0] * self[2, 2] - self[1, 2] * self[2, 0])
      + self[0, 2] * (self[1, 0] * self[2, 1] - self[1, 1] * self[2, 0])
  }

  /// Whether the columns are unit vectors at right angles, element by element of the Gram matrix.
  func isOrthonormal(within tolerance: Double) -> Bool {
    let gram = transposed * self
    // Written so that NaN, from a column without length, counts as a violation.
    return zip(gram.values, Matrix3().values).allSatisfy { abs($0 - $1) <= tolerance }
  }

  /// The rotation of a unit quaternion whose real part is not stored (nifti1.h, method 2). When b, c, d alone are as
  /// long as a unit quaternion to within `tolerance`, the angle is 180 degrees.
  init(quaternion: (Double, Double, Double), tolerance: Double) {
    var (b, c, d) = quaternion
    var a = 1 - (b * b + c * c + d * d)
    if a < tolerance {
      let length = (b * b + c * c + d * d).squareRoot()
      (a, b, c, d) = (0, b / length, c / length, d / length)
    } else {
      a = a.squareRoot()
    }
    values = [
      a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c,
      2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b,
      2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b,
    ]
  }
}
