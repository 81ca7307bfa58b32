import Basics
import Imaging
import Testing

private let one = Vector3D(1, 1, 1)

/// Resizes a 1x1xN volume isotropically.
private func resize(_ values: [Float], to count: Int, order: Interpolation) throws -> [Float] {
  let volume = Volume(shape: Shape3D(1, 1, values.count), elements: values)
  return try Resampler(order: order).resample(
    volume, to: Shape3D(1, 1, count), currentSpacing: one, newSpacing: one
  ).elements
}

/// The vectors are printed with 7 or 8 digits, so a little more than one unit in the last place is allowed.
private func isClose(_ a: [Float], _ b: [Float], relative: Float = 3e-7) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= relative * max(1, abs($1)) }
}

@Suite struct ResamplerVectorTests {
  @Test(
    arguments: [
      (1, 2, [5, 25]), (1, 3, [1.6666666, 15, 28.333334]), (1, 6, [0, 5, 11.666667, 18.333334, 25, 30]),
      (3, 2, [4.2644286, 25.735571]), (3, 3, [1.0763931, 15, 28.923607]),
      (3, 6, [0, 4.2644286, 11.757478, 18.242521, 25.735571, 30]),
      (3, 7, [0, 2.7672322, 9.202078, 15, 20.797922, 27.232767, 30]),
      (0, 2, [10, 30]), (0, 3, [0, 20, 30]), (0, 6, [0, 10, 10, 20, 30, 30]), (0, 7, [0, 0, 10, 20, 20, 30, 30]),
    ] as [(Int, Int, [Float])])
  func ramp(order: Int, count: Int, expected: [Float]) throws {
    let result = try resize([0, 10, 20, 30], to: count, order: Interpolation(order: order))
    #expect(isClose(result, expected), "\(result)")
  }

  @Test(
    arguments: [
      (3, 9, [2.6237502, 0, 16.693941, 94.414497, 60.236561, 0, 0, 6.9137998, 6.8373833]),
      (3, 4, [0, 88.094231, 0, 7.3114448]), (1, 9, [0, 0, 16.666666, 83.333336, 50, 0, 0, 3.5, 7]),
      (1, 4, [0, 75, 0, 5.25]),
    ] as [(Int, Int, [Float])])
  func overshootIsClipped(order: Int, count: Int, expected: [Float]) throws {
    let result = try resize([0, 0, 100, 0, 0, 7], to: count, order: Interpolation(order: order))
    #expect(isClose(result, expected), "\(result)")
  }

  /// `i^1.5` shaped 2x3x4.
  private var powers: Volume<Float> {
    Volume(shape: Shape3D(2, 3, 4), elements: (0..<24).map { Float(Double($0) * Double($0).squareRoot()) })
  }

  @Test func cubicInThreeDimensions() throws {
    let result = try Resampler(order: .cubic).resample(
      powers, to: Shape3D(3, 2, 5), currentSpacing: one, newSpacing: one)
    let expected: [Float] = [
      0, 0, 0, 1.2921975, 2.970418, 14.686251, 17.491232, 20.995222, 24.745289, 27.921812, 22.850437, 25.206318,
      28.275219, 31.747414, 34.712212, 52.298798, 56.092575, 60.77737, 65.664055, 69.762650, 48.209522, 52.207973,
      57.121544, 62.202629, 66.45401, 89.911346, 94.693924, 100.559517, 106.582817, 110.304123,
    ]
    #expect(isClose(result.elements, expected), "\(result.elements)")
  }

  @Test func separateAxis() throws {
    let (current, new) = (Vector3D(5, 1, 1), Vector3D(2.5, 1.5, 0.8))
    let cubic = try Resampler(order: .cubic).resample(
      powers, to: Shape3D(4, 2, 5), currentSpacing: current, newSpacing: new
    ).elements
    let early: [Float] = [
      0.8872515, 1.8205251, 3.2917805, 5.3705344, 7.221044, 19.723043, 22.660439, 26.322554, 30.224827, 33.524826,
    ]
    let late: [Float] = [
      44.813622, 48.592113, 53.258659, 58.124294, 62.203381, 84.87455, 89.524712, 95.232185, 101.103279, 106.000481,
    ]
    #expect(isClose(cubic, early + early + late + late), "\(cubic)")
    let linear = try Resampler(order: .linear).resample(
      powers, to: Shape3D(4, 2, 5), currentSpacing: current, newSpacing: new
    ).elements
    let slice: [Float] = [
      2, 3.0815594, 4.67032, 6.615042, 8.5271788, 18.970562, 21.822729, 25.218201, 28.771587, 31.992218,
    ]
    #expect(isClose(Array(linear[..<10]), slice), "\(linear)")
  }

  @Test func halfPrecisionLogits() throws {
    let halves = [0.1, 0.2, 0.7, -1.3].map { Float(Float16($0)) }
    let result = try resize(halves, to: 7, order: .linear).map { Float(Float16($0)) }
    let expected: [Float] = [0.09997559, 0.1357422, 0.1928711, 0.4501953, 0.5571289, -0.5854492, -1.299805]
    #expect(isClose(result, expected), "\(result)")
  }

  @Test func sameShapeIsUntouched() throws {
    let result = try Resampler().resample(powers, to: powers.shape, currentSpacing: one, newSpacing: Vector3D(9, 1, 1))
    #expect(result.elements == powers.elements)
  }

  @Test func emptyShapesAreRefused() {
    #expect(throws: Failure.self) {
      try Resampler().resample(powers, to: Shape3D(0, 3, 4), currentSpacing: one, newSpacing: one)
    }
    #expect(throws: Failure.self) {
      try Resampler().resample(powers, to: Shape3D(1 << 30, 1 << 30, 4), currentSpacing: one, newSpacing: one)
    }
  }

  @Test(arguments: [Float.nan, .infinity], Interpolation.allCases)
  func notANumberDoesNotCrash(value: Float, order: Interpolation) throws {
    var volume = powers
    volume[1, 1, 1] = value
    for spacing in [one, Vector3D(5, 1, 1)] {
      let result = try Resampler(order: order, orderZ: .linear).resample(
        volume, to: Shape3D(3, 4, 5), currentSpacing: spacing, newSpacing: one)
      #expect(result.elements.contains { !$0.isFinite })
    }
  }

  @Test func torchVector() throws {
    let volume = Volume<Float>(shape: Shape3D(1, 1, 3), elements: [0, 1, 4])
    let result = try TorchResampler().resample(volume, to: Shape3D(1, 1, 5), currentSpacing: one, newSpacing: one)
    #expect(isClose(result.elements, [0, 0.4, 1, 2.8, 4]), "\(result.elements)")
  }

  @Test func labelVector() throws {
    let labels = Volume<Int16>(shape: Shape3D(1, 2, 4), elements: [0, 0, 1, 1, 0, 2, 2, 1])
    func resized(_ rule: LabelVoting) throws -> [Int16] {
      try Resampler(order: .linear).resampleLabels(
        labels, to: Shape3D(1, 3, 6), currentSpacing: one, newSpacing: one, rule: rule
      ).elements
    }
    #expect(try resized(.largestShare) == [0, 0, 0, 1, 1, 1, 0, 0, 2, 2, 1, 1, 0, 2, 2, 2, 1, 1])
    #expect(try resized(.half) == [0, 0, 0, 1, 1, 1, 0, 0, 2, 2, 1, 1, 0, 2, 2, 2, 2, 1])
  }

  @Test func cubicLabelsAreRefused() {
    let labels = Volume<Int16>(shape: Shape3D(1, 2, 4), repeating: 1)
    #expect(throws: Failure.self) {
      try Resampler(order: .cubic).resampleLabels(
        labels, to: Shape3D(1, 3, 6), currentSpacing: one, newSpacing: one)
    }
  }
}

@Suite struct ResamplerGoldenTests {
  /// The reference computes in double precision and rounds once, so a result may differ by one unit in the last place
  /// where it falls between two floats; near zero, by the rounding errors of the sums (1e-13 of the range).
  @Test func floatsEqualTheReference() throws {
    let expected = try Golden.values("resampling.f32", as: Float.self)
    var position = 0
    var differing = 0
    for golden in try Golden.cases("resampling.json") {
      let volume = Volume<Float>.drawn(seed: golden.seed, channels: golden.channels, shape: golden.source)
      let isTorch = golden.kind == "torch"
      let result =
        isTorch
        ? try TorchResampler().resample(
          volume, to: golden.target, currentSpacing: golden.current, newSpacing: golden.new)
        : try Resampler(order: Interpolation(order: golden.order), orderZ: Interpolation(order: golden.orderZ))
          .resample(volume, to: golden.target, currentSpacing: golden.current, newSpacing: golden.new)
      let wanted = expected[position..<position + result.elements.count]
      position += result.elements.count
      for (value, reference) in zip(result.elements, wanted) {
        // PyTorch itself sums in single precision: 5e-7 of a range of 128.
        let tolerance = isTorch ? 6e-5 : max(reference.ulp, 1e-10)
        if !isTorch, value != reference { differing += 1 }
        #expect(
          abs(value - reference) <= tolerance,
          "\(golden.kind) \(golden.source) to \(golden.target) order \(golden.order), \(golden.orderZ)")
      }
    }
    #expect(position == expected.count)
    #expect(differing < 20, "of \(expected.count)")
  }

  /// Labels must be equal, ties included.
  @Test func labelsEqualTheReference() throws {
    let expected = try Golden.values("labels.i16", as: Int16.self)
    var position = 0
    for golden in try Golden.cases("labels.json") {
      let labels = Volume<Int16>.drawnLabels(seed: golden.seed, shape: golden.source, number: 4, first: -1)
      let result =
        if golden.kind.hasPrefix("torch") {
          try TorchResampler(memoryEfficientLabels: golden.kind != "torch").resampleLabels(
            labels, to: golden.target, currentSpacing: golden.current, newSpacing: golden.new)
        } else {
          try Resampler(order: golden.kind == "nearest" ? .nearest : .linear).resampleLabels(
            labels, to: golden.target, currentSpacing: golden.current, newSpacing: golden.new)
        }
      let wanted = Array(expected[position..<position + result.elements.count])
      position += result.elements.count
      let differing = zip(result.elements, wanted).count { $0 != $1 }
      #expect(differing == 0, "\(golden.kind) \(golden.source) to \(golden.target)")
    }
    #expect(position == expected.count)
  }
}
