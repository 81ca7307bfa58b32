import Basics
import Imaging
import TestSupport
import Testing

@testable import Inference

/// Keeps every finished slice.
final class Recorder: LogitsSink {
  var logits: [Float16]
  private var seen = 0
  private let shape: Shape3D
  private(set) var calls: [Int] = []

  init(channels: Int, shape: Shape3D) {
    logits = Array(repeating: .nan, count: channels * shape.count)
    self.shape = shape
  }

  func consume(upTo end: Int, of band: LogitsBand) throws {
    calls.append(end)
    let plane = shape.y * shape.x
    for channel in 0..<band.channels {
      for z in seen..<end {
        let slice = band.slice(channel, z)
        for index in 0..<plane {
          logits[channel * shape.count + z * plane + index] = Float16(bitPattern: slice[index])
        }
      }
    }
    seen = end
  }
}

@Suite struct SlidingWindowTests {
  private static func noise(_ shape: Shape3D, seed: UInt64) -> Volume<Float> {
    var generator = SeededGenerator(seed: seed)
    return Volume(shape: shape, elements: (0..<shape.count).map { _ in .random(in: -2...2, using: &generator) })
  }

  struct Setup: Sendable, CustomTestStringConvertible {
    var shape: Shape3D
    var patch: [Int]
    var mirrorAxes: [Int] = []
    var folds = 1
    var batch = 1
    var step = 0.5

    var testDescription: String { "\(shape), patch \(patch), mirror \(mirrorAxes), \(folds) folds, batch \(batch)" }

    func networks() -> [FormulaNetwork] {
      (0..<folds).map { fold in
        FormulaNetwork(patch: patch, outputs: 3, batch: batch) { channel, value, index in
          value * Float(channel + 1 + fold) - Float(channel * channel) * 0.3 + Float(index * 37 % 101) * 0.01
        }
      }
    }
  }

  static let setups = [
    Setup(shape: Shape3D(20, 18, 22), patch: [8, 8, 8]),
    Setup(shape: Shape3D(20, 18, 22), patch: [8, 10, 12], mirrorAxes: [0, 1, 2], folds: 2),
    Setup(shape: Shape3D(5, 30, 7), patch: [8, 16, 16], mirrorAxes: [0, 2], batch: 3),
    Setup(shape: Shape3D(4, 19, 23), patch: [16, 16], mirrorAxes: [0, 1], folds: 3, batch: 4),
    Setup(shape: Shape3D(1, 19, 23), patch: [8, 8]),
    Setup(shape: Shape3D(33, 9, 9), patch: [16, 8, 8], folds: 2, step: 0.25),
    Setup(shape: Shape3D(1, 1, 1), patch: [4, 4, 4], mirrorAxes: [1]),
  ]

  /// Streaming changes when the arithmetic is done, not the arithmetic: bit for bit the same.
  @Test(arguments: setups) func streamedLogitsAreThoseOfTheWholeVolume(_ setup: Setup) throws {
    let image = Self.noise(setup.shape, seed: 7)
    let window = makeWindow(image.shape, patch: setup.patch, step: setup.step, mirrorAxes: setup.mirrorAxes)
    let recorder = Recorder(channels: 3, shape: image.shape)
    var last = (0, 0)
    try window.run(image, networks: setup.networks(), into: recorder) { last = ($0, $1) }
    let expected = WholeVolumeReference.logits(
      image, patch: setup.patch, step: setup.step, mirrorAxes: setup.mirrorAxes, networks: setup.networks())
    #expect(recorder.logits == expected.elements)
    #expect(last == (window.passesPerFold * setup.folds, window.passesPerFold * setup.folds))
    #expect(recorder.calls.last == image.shape.z)
  }

  /// Values printed by nnU-Net 2.8.1 for a network with constant output: coarse where only the Gaussian's tail counts.
  @Test func edgesHaveTheReferencesQuantisation() throws {
    let image = Volume<Float>(shape: Shape3D(1, 16, 24), repeating: 0)
    let network = FormulaNetwork(patch: [16, 16], outputs: 2) { channel, _, _ in channel == 0 ? 0.3 : -1.25 }
    let recorder = Recorder(channels: 2, shape: image.shape)
    try makeWindow(image.shape, patch: [16, 16], step: 0.5, mirrorAxes: [])
      .run(image, networks: [network], into: recorder) { _, _ in }
    let row0: [Float16] = [
      0.3156738, 0.3007813, 0.3007813, 0.3000488, 0.2998047, 0.2998047, 0.2998047, 0.3000488, 0.2998047, 0.3000488,
      0.2995605, 0.3000488, 0.2998047, 0.3000488, 0.2998047, 0.3000488, 0.2998047, 0.3000488, 0.2998047, 0.2998047,
      0.2998047, 0.3000488, 0.3007813, 0.3007813,
    ]
    #expect(Array(recorder.logits[0..<24]) == row0)
    for column in 0..<24 {
      let expected: Float16 = [2, 8, 11, 22].contains(column) ? -1.250977 : -1.25
      #expect(recorder.logits[16 * 24 + 8 * 24 + column] == expected)
    }
  }

  @Test func infiniteLogitsAreAnError() {
    let image = Volume<Float>(shape: Shape3D(4, 4, 4), repeating: 1)
    let network = FormulaNetwork(patch: [4, 4, 4], outputs: 2) { _, _, _ in 1e6 }
    #expect(throws: Failure.self) {
      try makeWindow(image.shape, patch: [4, 4, 4], step: 0.5, mirrorAxes: [])
        .run(image, networks: [network], into: Recorder(channels: 2, shape: image.shape)) { _, _ in }
    }
  }

  @Test func progressMayStopTheRun() {
    let image = Self.noise(Shape3D(20, 20, 20), seed: 1)
    let network = FormulaNetwork(patch: [8, 8, 8], outputs: 2) { _, value, _ in value }
    var passes = 0
    #expect(throws: Failure(.interrupted, "stop")) {
      try makeWindow(image.shape, patch: [8, 8, 8], step: 0.5, mirrorAxes: [])
        .run(image, networks: [network], into: Recorder(channels: 2, shape: image.shape)) { done, _ in
          passes = done
          if done == 5 { throw Failure(.interrupted, "stop") }
        }
    }
    #expect(passes == 5)
  }
}

@Suite struct SegmentationSinkTests {
  struct Setup: Sendable, CustomTestStringConvertible {
    var name: String
    var from: Shape3D
    var to: Shape3D
    var rule = LabelReduction.largest
    var roundsToHalf = true
    /// The axis that is picked, not interpolated.
    var picked: Int?
    /// How fast logits change from voxel to voxel; slow changes leave large areas where all neighbours agree.
    var roughness: Float = 0.15

    var testDescription: String { name }
  }

  static let setups = [
    Setup(name: "same grid", from: Shape3D(12, 14, 16), to: Shape3D(12, 14, 16)),
    Setup(name: "finer", from: Shape3D(12, 14, 16), to: Shape3D(25, 31, 29)),
    Setup(name: "coarser", from: Shape3D(20, 22, 24), to: Shape3D(7, 9, 11)),
    Setup(name: "mixed", from: Shape3D(12, 22, 9), to: Shape3D(19, 9, 9)),
    Setup(name: "picked slices", from: Shape3D(12, 14, 16), to: Shape3D(5, 29, 33), picked: 0),
    Setup(name: "picked columns", from: Shape3D(12, 14, 16), to: Shape3D(23, 29, 6), picked: 2),
    Setup(name: "single precision", from: Shape3D(12, 14, 16), to: Shape3D(25, 31, 29), roundsToHalf: false),
    Setup(name: "regions", from: Shape3D(12, 14, 16), to: Shape3D(25, 31, 29), rule: .regions([5, 2, 9])),
    Setup(name: "regions, same grid", from: Shape3D(12, 14, 16), to: Shape3D(12, 14, 16), rule: .regions([5, 2, 9])),
    Setup(name: "rough", from: Shape3D(12, 14, 16), to: Shape3D(25, 31, 29), roughness: 4),
    Setup(name: "one slice", from: Shape3D(1, 14, 16), to: Shape3D(3, 17, 19)),
  ]

  private static func axis(_ setup: Setup, _ axis: Int) -> AxisSampling {
    let (from, to) = (setup.from[axis], setup.to[axis])
    if setup.picked == axis {
      let taps = ResampleTaps.nearest(input: from, output: to)
      return AxisSampling(extent: from, first: taps, second: taps, share: Array(repeating: 0, count: to))
    }
    let taps = ResampleTaps.linear(input: from, output: to)
    return AxisSampling(extent: from, first: taps.index0, second: taps.index1, share: taps.weight1.map(Float.init))
  }

  /// Slab by slab, with the shortcut where neighbours agree, gives the labels of the slow and obvious way.
  @Test(arguments: setups, [false, true]) func labelsAreThoseOfTheWholeVolume(_ setup: Setup, spooled: Bool) throws {
    var generator = SeededGenerator(seed: 3)
    // A smooth field: sums of a few waves.
    let image = Volume<Float>(shape: setup.from) { target in
      let phase = Float.random(in: 0...6, using: &generator)
      for index in 0..<setup.from.count {
        let z = Float(index / (setup.from.y * setup.from.x))
        let y = Float(index / setup.from.x % setup.from.y)
        let x = Float(index % setup.from.x)
        target[index] = (z * 0.31 + phase) * setup.roughness + y * setup.roughness - x * 0.7 * setup.roughness
      }
    }
    let patch = [8, 8, 8]
    let makeNetwork = {
      FormulaNetwork(patch: patch, outputs: 3) { channel, value, index in
        // Periodic in the value, different in each channel.
        let t = value * Float(channel + 2) + Float(channel)
        return (t - t.rounded()) * 8 + Float(index % 7) * 0.01
      }
    }
    let sampling = GridSampling(
      z: Self.axis(setup, 0), y: Self.axis(setup, 1), x: Self.axis(setup, 2), roundsToHalf: setup.roundsToHalf)
    let logits = WholeVolumeReference.logits(
      image, patch: patch, step: 0.5, mirrorAxes: [], networks: [makeNetwork()])
    let expected = WholeVolumeReference.labels(logits, sampling: sampling, rule: setup.rule)

    let canvas = LabelCanvas(shape: setup.to, transpose: [0, 1, 2], offset: Shape3D(0, 0, 0), isWide: spooled)
    let spool =
      spooled
      ? try ProbabilitySpool(
        channels: 3, shape: setup.to, transpose: [0, 1, 2], offset: Shape3D(0, 0, 0), hasBackground: true,
        folder: "/tmp") : nil
    let sink = SegmentationSink(sampling: sampling, rule: setup.rule, canvas: canvas, probabilities: spool)
    try makeWindow(image.shape, patch: patch, step: 0.5, mirrorAxes: [])
      .run(image, networks: [makeNetwork()], into: sink) { _, _ in }
    let labels: [UInt16] =
      switch canvas.labels() {
      case .uint8(let volume): volume.elements.map(UInt16.init)
      case .uint16(let volume): volume.elements
      }
    // Interpolating in single instead of double precision may turn around a voxel where two classes tie.
    let different = zip(labels, expected).count { $0 != $1 }
    #expect(different <= expected.count / 2000, "\(different) of \(expected.count) voxels differ")
    #expect(Set(expected).count > 1, "the field must have borders")
    if let spool, setup.rule == .largest {
      let count = setup.to.count
      let sums = (0..<count).map { index in (0..<3).reduce(Float(0)) { $0 + spool.elements[$1 * count + index] } }
      #expect(sums.allSatisfy { abs($0 - 1) < 1e-5 })
    }
  }

  @Test func rowsLandWhereTheTransposedCropSays() {
    // The network's axes are the file's axes 2, 0, 1; the crop begins at (1, 2, 0) of the network's frame.
    let canvas = LabelCanvas(
      shape: Shape3D(4, 3, 5), transpose: [2, 0, 1], offset: Shape3D(1, 2, 0), isWide: false)
    canvas.write { writer in
      let row: [UInt16] = [1, 2, 3]
      row.withUnsafeBufferPointer { labels in
        if let labels = labels.baseAddress { writer.store(labels, count: 3, z: 2, y: 1) }
      }
    }
    guard case .uint8(let map) = canvas.labels() else {
      Issue.record("eight bits were asked for")
      return
    }
    // Network (3, 3, x) is file (z: 3, y: x, x: 3).
    #expect(map[3, 0, 3] == 1)
    #expect(map[3, 1, 3] == 2)
    #expect(map[3, 2, 3] == 3)
    #expect(map.elements.count { $0 != 0 } == 3)
  }
}
