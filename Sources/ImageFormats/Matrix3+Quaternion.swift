extension Matrix3 {
  /// The rotation (or rotoreflection) closest to this matrix: its polar factor, by Newton's iteration
  /// X <- (X + X^-T) / 2 with scaling (N. J. Higham, SIAM J. Sci. Stat. Comput. 7, 1986).
  ///
  /// With `inSinglePrecision` every iterate is rounded to floats, as in the NIfTI library, so that headers agree with
  /// what ITK writes. Nil for a singular matrix.
  func polarFactor(inSinglePrecision: Bool = false) -> Matrix3? {
    func rounded(_ value: Double) -> Double { inSinglePrecision ? Double(Float(value)) : value }
    let limit = inSinglePrecision ? 3e-6 : 1e-14
    var current = Matrix3(values.map(rounded))
    var change = 1.0
    for _ in 0..<100 {
      guard let inverse = current.inverse.map({ Matrix3($0.values.map(rounded)) }) else { return nil }
      var (scale, inverseScale) = (1.0, 1.0)
      if change > 0.3 {
        let alpha = rounded((current.rowNorm * current.transposed.rowNorm).squareRoot())
        let beta = rounded((inverse.rowNorm * inverse.transposed.rowNorm).squareRoot())
        scale = rounded((beta / alpha).squareRoot())
        inverseScale = rounded(1 / scale)
      }
      let turned = inverse.transposed
      let next = Matrix3(
        zip(current.values, turned.values).map {
          rounded(0.5 * rounded(rounded(scale * $0) + rounded(inverseScale * $1)))
        })
      change = zip(next.values, current.values).reduce(0) { $0 + abs($1.0 - $1.1) }
      guard change.isFinite else { return nil }
      current = next
      if change < limit { break }
    }
    return current
  }

  /// The largest sum of absolute values in a row.
  private var rowNorm: Double { (0..<3).map { abs(self[$0, 0]) + abs(self[$0, 1]) + abs(self[$0, 2]) }.max() ?? 0 }

  /// Nil for a singular matrix.
  var inverse: Matrix3? {
    let determinant = determinant
    guard determinant != 0, determinant.isFinite else { return nil }
    func cofactor(_ row: Int, _ column: Int) -> Double {
      let (r1, r2, c1, c2) = ((row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3)
      return self[r1, c1] * self[r2, c2] - self[r1, c2] * self[r2, c1]
    }
    return Matrix3((0..<9).map { cofactor($0 % 3, $0 / 3) / determinant })
  }

  /// The parts b, c, d of the unit quaternion (real part not negative) of the rotation closest to this matrix, and
  /// its handedness: -1 when the third column has to be turned round to make it a rotation (nifti1.h, method 2).
  func quaternion(inSinglePrecision: Bool) -> (b: Double, c: Double, d: Double, handedness: Double) {
    guard var r = unitColumns().polarFactor(inSinglePrecision: inSinglePrecision) else { return (0, 0, 0, 1) }
    var handedness = 1.0
    if r.determinant < 0 {
      handedness = -1
      for row in 0..<3 { r[row, 2] = -r[row, 2] }
    }
    // Four times the squares of a, b, c and d; dividing by the largest part keeps all digits.
    let trace = r[0, 0] + r[1, 1] + r[2, 2] + 1
    if trace > 0.5 {
      let a = 0.5 * trace.squareRoot()
      return (
        0.25 * (r[2, 1] - r[1, 2]) / a, 0.25 * (r[0, 2] - r[2, 0]) / a, 0.25 * (r[1, 0] - r[0, 1]) / a, handedness
      )
    }
    let squares = [
      1 + r[0, 0] - (r[1, 1] + r[2, 2]), 1 + r[1, 1] - (r[0, 0] + r[2, 2]), 1 + r[2, 2] - (r[0, 0] + r[1, 1]),
    ]
    var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
    if squares[0] > 1 {
      b = 0.5 * squares[0].squareRoot()
      c = 0.25 * (r[0, 1] + r[1, 0]) / b
      d = 0.25 * (r[0, 2] + r[2, 0]) / b
      a = 0.25 * (r[2, 1] - r[1, 2]) / b
    } else if squares[1] > 1 {
      c = 0.5 * squares[1].squareRoot()
      b = 0.25 * (r[0, 1] + r[1, 0]) / c
      d = 0.25 * (r[1, 2] + r[2, 1]) / c
      a = 0.25 * (r[0, 2] - r[2, 0]) / c
    } else {
      d = 0.5 * squares[2].squareRoot()
      b = 0.25 * (r[0, 2] + r[2, 0]) / d
      c = 0.25 * (r[1, 2] + r[2, 1]) / d
      a = 0.25 * (r[1, 0] - r[0, 1]) / d
    }
    return a < 0 ? (-b, -c, -d, handedness) : (b, c, d, handedness)
  }
}
