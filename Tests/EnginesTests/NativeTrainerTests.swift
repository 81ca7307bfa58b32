import Basics
import CKernels
import TestSupport
import Testing

@testable import Engines

/// A training step's convolutions against sums term by term in double precision.
@Suite(.serialized) struct NativeTrainerTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var inputs = 16
    var outputs = 16
    var samples = 1
    /// Of the input; (Y, X) or (Z, Y, X), as are the others.
    var size: [Int]
    var kernel = [3, 3, 3]
    var stride = [1, 1, 1]
    var padding = [1, 1, 1]
    var workers = 2
    /// Whether Winograd's method is taken.
    var isTiled = false

    var testDescription: String {
      "\(inputs) to \(outputs), \(samples) of \(size), \(kernel) by \(stride), \(workers) threads"
    }
    var convolution: TrainedConvolution? {
      TrainedConvolution(
        kernel: kernel, stride: stride, padding: padding, input: [samples, inputs] + size, outputs: outputs)
    }
  }

  static let cases: [Case] = [
    Case(inputs: 16, outputs: 48, samples: 2, size: [5, 9, 14], isTiled: true),
    Case(
      inputs: 32, outputs: 16, samples: 2, size: [9, 8, 12], kernel: [1, 3, 3], padding: [0, 1, 1], isTiled: true),
    Case(
      inputs: 16, outputs: 32, samples: 3, size: [21, 18], kernel: [3, 3], stride: [1, 1], padding: [1, 1], workers: 3,
      isTiled: true),
    Case(inputs: 48, outputs: 16, size: [11, 12, 8], workers: 1, isTiled: true),
    Case(size: [1, 3, 2], workers: 4),
    Case(inputs: 16, outputs: 32, samples: 2, size: [6, 9, 8], stride: [2, 2, 2]),
    Case(inputs: 32, outputs: 16, size: [7, 9, 11], stride: [1, 2, 2], workers: 3),
    Case(inputs: 32, outputs: 32, size: [4, 6, 8], kernel: [2, 2, 2], stride: [2, 2, 2], padding: [0, 0, 0]),
    Case(inputs: 16, outputs: 16, size: [10, 9], kernel: [5, 4], stride: [3, 2], padding: [2, 1]),
    Case(inputs: 32, outputs: 48, samples: 2, size: [3, 4, 5], kernel: [1, 1, 1], padding: [0, 0, 0]),
    Case(inputs: 48, outputs: 3, samples: 2, size: [7, 10, 9], kernel: [1, 1, 1], padding: [0, 0, 0]),
    Case(inputs: 1, outputs: 32, samples: 2, size: [5, 7, 6]),
    Case(inputs: 3, outputs: 16, size: [12, 9], kernel: [3, 3], stride: [2, 2], padding: [1, 1]),
  ]

  /// Numbers between -1 and 1 without a pattern, so that sums do not cancel.
  private static func values(_ count: Int, _ seed: UInt64) -> AlignedFloats {
    var generator = SeededGenerator(seed: seed)
    return AlignedFloats(count: count) { values in
      for index in values.indices { values[index] = Float.random(in: -1...1, using: &generator) }
    }
  }

  private struct Arrays {
    var input: AlignedFloats
    var weights: AlignedFloats
    /// For the outputs, and for the way back to the inputs.
    var biases: (AlignedFloats, AlignedFloats)
    var gradient: AlignedFloats

    init(_ c: TrainedConvolution) {
      input = values(c.samples * c.inputVoxels * c.inputs, 0)
      weights = values(c.outputs * c.kernel.reduce(1, *) * c.inputs, 1)
      biases = (values(c.outputs, 2), values(c.inputs, 3))
      gradient = values(c.samples * c.outputVoxels * c.outputs, 4)
    }
  }

  /// What the plain definition says: result, way back to the input, gradient of the weights.
  private func expected(_ c: TrainedConvolution, _ arrays: Arrays) -> [[Double]] {
    let (x, w, g) = (arrays.input.values, arrays.weights.values, arrays.gradient.values)
    var result = g.indices.map { Double(arrays.biases.0.values[$0 % c.outputs]) }
    var back = x.indices.map { Double(arrays.biases.1.values[$0 % c.inputs]) }
    var weightGradient = [Double](repeating: 0, count: w.count)
    let (size, kernel) = (c.outputSize, c.kernel)
    for place in 0..<c.samples * c.outputVoxels {
      let voxel = [place % c.outputVoxels / (size[1] * size[2]), place / size[2] % size[1], place % size[2]]
      for tap in 0..<kernel.reduce(1, *) {
        let tapPlace = [tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]]
        let from = (0..<3).map { voxel[$0] * c.stride[$0] + tapPlace[$0] - c.padding[$0] }
        guard zip(from, c.inputSize).allSatisfy({ $0 >= 0 && $0 < $1 }) else { continue }
        let source =
          place / c.outputVoxels * c.inputVoxels + (from[0] * c.inputSize[1] + from[1]) * c.inputSize[2] + from[2]
        for output in 0..<c.outputs {
          let weight = (output * kernel.reduce(1, *) + tap) * c.inputs
          let slope = Double(g[place * c.outputs + output])
          for channel in 0..<c.inputs {
            let value = Double(x[source * c.inputs + channel])
            result[place * c.outputs + output] += Double(w[weight + channel]) * value
            back[source * c.inputs + channel] += Double(w[weight + channel]) * slope
            weightGradient[weight + channel] += value * slope
          }
        }
      }
    }
    return [result, back, weightGradient]
  }

  private func answers(
    _ c: TrainedConvolution, isBF16: Bool, workers: Int, _ arrays: Arrays
  ) throws -> [[Float]] {
    let trainer = NativeTrainer(isBF16: isBF16, workers: workers) { count, body in
      // In the order in which parts would hurt most if they were not independent.
      for part in (0..<count).reversed() { body(part..<part + 1) }
    }
    let results = [arrays.gradient, arrays.input, arrays.weights].map { AlignedFloats(count: $0.values.count) }
    let to = try results.map { try #require($0.address) }
    let x = try #require(arrays.input.address)
    let (w, g) = (try #require(arrays.weights.address), try #require(arrays.gradient.address))
    // Twice, as memory is used again.
    for _ in 0..<2 {
      trainer.forward(c, x, weights: w, bias: arrays.biases.0.address, into: to[0])
      if c.reachesInput { trainer.inputGradient(c, g, weights: w, bias: arrays.biases.1.address, into: to[1]) }
      trainer.weightGradient(c, x, g, into: to[2])
    }
    return results.map { Array($0.values) }
  }

  /// In single precision 1e-5 of the largest value: sums of up to a thousand terms, and Winograd's rounding. In bfloat16
  /// half a unit in the 8th bit of both factors, 4e-3, times what Winograd's method makes of it.
  @Test(arguments: cases) func agreesWithTheDefinition(_ c: Case) throws {
    let convolution = try #require(c.convolution)
    #expect((convolution.tile > 0) == c.isTiled)
    let arrays = Arrays(convolution)
    let expected = expected(convolution, arrays)
    defer { mt_convolution_limit(mt_level_avx512) }
    for level in [mt_level_plain, mt_level_avx2, mt_level_avx512]
    where level.rawValue <= mt_level_of_processor().rawValue {
      mt_convolution_limit(level)
      for (isBF16, tolerance) in [(false, 1e-5), (true, 3e-2)] {
        let answers = try answers(convolution, isBF16: isBF16, workers: c.workers, arrays)
        for (what, (answer, truth)) in zip(["result", "input", "weights"], zip(answers, expected)) {
          if what == "input", !convolution.reachesInput { continue }
          let largest = truth.reduce(0) { max($0, abs($1)) }
          let error = zip(answer, truth).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
          #expect(error < tolerance * largest, "\(what), level \(level), bf16 \(isBF16)")
        }
      }
    }
  }

  @Test func leavesOthersToPyTorch() {
    let cube = [3, 3, 3]
    let ones = [1, 1, 1]
    func isOwn(_ inputs: Int, _ outputs: Int, kernel: [Int] = cube, stride: [Int] = ones, padding: [Int] = ones) -> Bool
    {
      Case(inputs: inputs, outputs: outputs, size: [9, 9, 9], kernel: kernel, stride: stride, padding: padding)
        .convolution != nil
    }
    #expect(isOwn(32, 64) && isOwn(1, 32) && isOwn(32, 3, kernel: ones, padding: [0, 0, 0]))
    // Channels that do not come in sixteens, places of the kernel that no voxel meets, and too much padding.
    #expect(!isOwn(24, 32) && !isOwn(32, 24) && !isOwn(8, 16) && !isOwn(1, 3) && !isOwn(32, 3))
    #expect(!isOwn(32, 32, kernel: ones, stride: [2, 2, 2], padding: [0, 0, 0]))
    #expect(!isOwn(32, 32, padding: cube))
  }
}
