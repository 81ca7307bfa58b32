import Basics
import CKernels
import TestSupport
import Testing

@testable import Engines

/// A training step's convolutions against sums term by term in double precision.
@Suite(.serialized) struct WinogradTrainerTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var inputs = 16
    var outputs = 16
    var samples = 1
    /// (Z, Y, X)
    var size: [Int]
    var depth = 3
    var workers = 2

    var testDescription: String { "\(inputs) to \(outputs), \(samples) of \(size), depth \(depth), \(workers) threads" }
    var shape: WinogradTrainer.Shape {
      WinogradTrainer.Shape(depth: depth, inputs: inputs, outputs: outputs, samples: samples, size: size)
    }
  }

  static let cases: [Case] = [
    Case(inputs: 16, outputs: 48, samples: 2, size: [5, 9, 14]),
    Case(inputs: 32, outputs: 16, size: [7, 4, 5], depth: 1),
    Case(inputs: 16, outputs: 32, samples: 3, size: [1, 21, 18], depth: 1, workers: 3),
    Case(inputs: 16, outputs: 16, size: [1, 3, 2], workers: 4),
    Case(inputs: 48, outputs: 16, size: [11, 12, 8], workers: 1),
  ]

  /// Numbers between -1 and 1 without a pattern, so that sums do not cancel.
  private static func values(_ count: Int, _ seed: UInt64) -> AlignedFloats {
    var generator = SeededGenerator(seed: seed)
    return AlignedFloats(count: count) { values in
      for index in values.indices { values[index] = Float.random(in: -1...1, using: &generator) }
    }
  }

  /// What the plain definition says, as (forward, gradient of the input, gradient of the weights).
  private func expected(
    _ c: Case, _ input: AlignedFloats, _ weights: AlignedFloats, _ bias: AlignedFloats, _ gradient: AlignedFloats
  ) -> [[Double]] {
    let (x, w, g) = (input.values, weights.values, gradient.values)
    var result = [Double](repeating: 0, count: g.count)
    var inputGradient = [Double](repeating: 0, count: x.count)
    var weightGradient = [Double](repeating: 0, count: w.count)
    let voxels = c.shape.voxels
    for index in result.indices { result[index] = Double(bias.values[index % c.outputs]) }
    for place in 0..<c.samples * voxels {
      let (z, y, x0) = (place % voxels / (c.size[1] * c.size[2]), place / c.size[2] % c.size[1], place % c.size[2])
      for tap in 0..<c.depth * 9 {
        let (tz, ty, tx) = (z + tap / 9 - c.depth / 2, y + tap / 3 % 3 - 1, x0 + tap % 3 - 1)
        guard (0..<c.size[0]).contains(tz), (0..<c.size[1]).contains(ty), (0..<c.size[2]).contains(tx) else { continue }
        let from = place / voxels * voxels + (tz * c.size[1] + ty) * c.size[2] + tx
        for output in 0..<c.outputs {
          let weight = (output * c.depth * 9 + tap) * c.inputs
          let slope = Double(g[place * c.outputs + output])
          var sum = 0.0
          for channel in 0..<c.inputs {
            let value = Double(x[from * c.inputs + channel])
            sum += Double(w[weight + channel]) * value
            inputGradient[from * c.inputs + channel] += Double(w[weight + channel]) * slope
            weightGradient[weight + channel] += value * slope
          }
          result[place * c.outputs + output] += sum
        }
      }
    }
    return [result, inputGradient, weightGradient]
  }

  private func answers(
    _ c: Case, isBF16: Bool, _ input: AlignedFloats, _ weights: AlignedFloats, _ bias: AlignedFloats,
    _ gradient: AlignedFloats
  ) throws -> [[Float]] {
    let trainer = WinogradTrainer(isBF16: isBF16, workers: c.workers) { count, body in
      // In the order in which parts would hurt most if they were not independent.
      for part in (0..<count).reversed() { body(part..<part + 1) }
    }
    let results = [gradient, input, weights].map { AlignedFloats(count: $0.values.count) }
    let (x, w, g) = (
      try #require(input.address), try #require(weights.address), try #require(gradient.address)
    )
    let to = try results.map { try #require($0.address) }
    // Twice, as memory is used again.
    for _ in 0..<2 {
      trainer.forward(c.shape, x, weights: w, bias: bias.address, into: to[0])
      trainer.inputGradient(c.shape, g, weights: w, into: to[1])
      trainer.weightGradient(c.shape, x, g, into: to[2])
    }
    return results.map { Array($0.values) }
  }

  /// In single precision 1e-5 of the largest value: sums of up to a thousand terms, and Winograd's rounding. In bfloat16
  /// half a unit in the 8th bit of both factors, 4e-3, times what Winograd's method makes of it.
  @Test(arguments: cases) func agreesWithTheDefinition(_ c: Case) throws {
    let voxels = c.samples * c.shape.voxels
    let input = Self.values(voxels * c.inputs, 0)
    let weights = Self.values(c.outputs * c.depth * 9 * c.inputs, 1)
    let bias = Self.values(c.outputs, 2)
    let gradient = Self.values(voxels * c.outputs, 3)
    let expected = expected(c, input, weights, bias, gradient)
    defer { mt_convolution_limit(mt_level_avx512) }
    for level in [mt_level_plain, mt_level_avx2, mt_level_avx512]
    where level.rawValue <= mt_level_of_processor().rawValue {
      mt_convolution_limit(level)
      for (isBF16, tolerance) in [(false, 1e-5), (true, 3e-2)] {
        let answers = try answers(c, isBF16: isBF16, input, weights, bias, gradient)
        for (what, (answer, truth)) in zip(["forward", "input", "weights"], zip(answers, expected)) {
          let largest = truth.reduce(0) { max($0, abs($1)) }
          let error = zip(answer, truth).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
          #expect(error < tolerance * largest, "\(what), level \(level), bf16 \(isBF16)")
          #expect(error > 0)
        }
      }
    }
  }

  @Test func leavesOthersToPyTorch() {
    typealias Shape = WinogradTrainer.Shape
    let large = [2, 32, 16, 24, 24]
    let cube = [3, 3, 3]
    let ones = [1, 1, 1]
    #expect(Shape(kernel: cube, stride: ones, padding: ones, input: large, outputs: 64) != nil)
    #expect(Shape(kernel: [3, 3], stride: [1, 1], padding: [1, 1], input: [8, 32, 24, 24], outputs: 64)?.depth == 1)
    #expect(Shape(kernel: [1, 3, 3], stride: ones, padding: [0, 1, 1], input: large, outputs: 64)?.depth == 1)
    // Strides, other kernels, odd channels, and arrays of few voxels.
    #expect(Shape(kernel: cube, stride: [2, 2, 2], padding: ones, input: large, outputs: 64) == nil)
    #expect(Shape(kernel: ones, stride: ones, padding: [0, 0, 0], input: large, outputs: 64) == nil)
    #expect(Shape(kernel: cube, stride: ones, padding: [0, 1, 1], input: large, outputs: 64) == nil)
    #expect(Shape(kernel: cube, stride: ones, padding: ones, input: [2, 1, 16, 24, 24], outputs: 32) == nil)
    #expect(Shape(kernel: cube, stride: ones, padding: ones, input: large, outputs: 3) == nil)
    #expect(Shape(kernel: cube, stride: ones, padding: ones, input: [2, 256, 4, 4, 4], outputs: 256) == nil)
  }
}
