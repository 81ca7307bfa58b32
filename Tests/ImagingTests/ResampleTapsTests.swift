import Imaging
import Testing

@Suite struct ResampleTapsTests {
  @Test(
    arguments: [
      (6, 3, [1, 3, 5]), (3, 6, [0, 0, 1, 1, 2, 2]), (5, 2, [1, 3]), (2, 5, [0, 0, 1, 1, 1]),
      (4, 6, [0, 1, 1, 2, 3, 3]), (7, 4, [0, 2, 4, 6]),
      (10, 25, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5, 6, 6, 7, 7, 7, 8, 8, 9, 9, 9]),
    ] as [(Int, Int, [Int32])])
  func nearestPicking(input: Int, output: Int, expected: [Int32]) {
    #expect(ResampleTaps.nearest(input: input, output: output) == expected)
  }

  @Test func linearTapsClampIndicesButNotPositions() {
    let taps = ResampleTaps.linear(input: 4, output: 6)
    #expect(taps.index0 == [0, 0, 1, 1, 2, 3])
    #expect(taps.index1 == [0, 1, 2, 2, 3, 3])
    let values = (0..<6).map { k -> Float in
      let left = Double(taps.index0[k]) * 10 * taps.weight0[k]
      let right = Double(taps.index1[k]) * 10 * taps.weight1[k]
      return Float(left + right)
    }
    // The 1x1x4 vector of the specification, 0 10 20 30.
    #expect(values == [0, 5, 11.666667, 18.333334, 25, 30])
  }

  @Test func unchangedAxisIsTheIdentity() {
    let taps = ResampleTaps.linear(input: 5, output: 5)
    #expect(taps.index0 == [0, 1, 2, 3, 4])
    #expect(taps.weight0 == [1, 1, 1, 1, 1])
    #expect(taps.weight1 == [0, 0, 0, 0, 0])
  }

  @Test func separateAxisDecision() {
    let one = Vector3D(1, 1, 1)
    func decide(_ current: Vector3D, _ new: Vector3D = one, force: Bool? = nil) -> Int? {
      SeparateAxis.decide(current: current, new: new, force: force)
    }
    #expect(decide(Vector3D(3, 1, 1)) == nil)
    #expect(decide(Vector3D(3.0001, 1, 1)) == 0)
    #expect(decide(Vector3D(1, 1, 3.5)) == 2)
    #expect(decide(Vector3D(0.24, 1.25, 1.25)) == nil)
    // 2.1 / 0.7 is a hair above 3 in double precision.
    #expect(decide(Vector3D(0.7, 0.7, 2.1)) == 2)
    #expect(decide(Vector3D(1.25, 1.25, 0.24), Vector3D(5, 1, 1)) == nil)
    #expect(decide(one, Vector3D(4, 1, 1)) == 0)
    #expect(decide(Vector3D(2, 1, 1), force: true) == 0)
    #expect(decide(one, force: true) == nil)
    #expect(decide(Vector3D(5, 1, 1), force: false) == nil)
  }

  @Test func interpolationPerAxis() throws {
    let separate = SeparateAxis.interpolations(
      current: Vector3D(5, 1, 1), new: Vector3D(1, 1, 1), order: .linear, orderZ: .nearest)
    #expect(separate == [.nearest, .linear, .linear])
    let together = SeparateAxis.interpolations(
      current: Vector3D(1, 1, 1), new: Vector3D(2, 2, 2), order: .linear, orderZ: .nearest)
    #expect(together == [.linear, .linear, .linear])
    #expect(try Interpolation(order: 3) == .cubic)
    #expect(throws: (any Error).self) { try Interpolation(order: 2) }
  }
}
