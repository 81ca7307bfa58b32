import Basics
import CKernels

/// Floats, or what takes their place, at an address that vectors can be loaded from.
final class AlignedFloats: @unchecked Sendable {
  let values: UnsafeMutableBufferPointer<Float>

  /// All zero until `fill` is called.
  init(count: Int, fill: (UnsafeMutableBufferPointer<Float>) -> Void = { _ in }) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(64, count * 4), alignment: 64)
    values = UnsafeMutableBufferPointer(
      start: memory.baseAddress?.initializeMemory(as: Float.self, repeating: 0, count: count), count: count)
    fill(values)
  }

  deinit { UnsafeMutableRawPointer(values.baseAddress)?.deallocate() }

  var address: UnsafeMutablePointer<Float>? { values.baseAddress }
}

/// Weights (out, in, kernel z, kernel y, kernel x), of transposed convolutions (in, out, ...), in the orders that
/// `mt_convolution` asks for.
struct WeightShape {
  var outputs: Int
  /// The channels of each input.
  var inputs: [Int]
  /// (Z, Y, X)
  var kernel: [Int]
  /// Whether the result is pairs of bfloat16.
  var isBF16: Bool

  private static let lanes = NativePlan.lanes
  private var places: Int { kernel.reduce(1, *) }
  private var blocks: Int { NativePlan.blocks(of: outputs) }
  /// The channels that are multiplied: those of each input, and one of zeros where pairs ask for one more.
  private var multiplied: Int { inputs.reduce(0) { $0 + $1 + filler($1) } }

  private func filler(_ channels: Int) -> Int { isBF16 ? channels % 2 : 0 }

  /// (output block, kernel place, channel, 16)
  func rows(_ weights: [Float]) -> AlignedFloats {
    made(weights, count: places) { weights, block, result in
      mt_row_weights(weights, strides, outputs, multiplied, kernel, block, result)
    }
  }

  /// (point, output block, kernel z, channel, 16)
  func tiles(_ weights: [Float], tile: Int) -> AlignedFloats {
    made(weights, count: (tile + 2) * (tile + 2) * kernel[0]) { weights, block, result in
      mt_tile_weights(weights, strides, outputs, multiplied, kernel[0], tile, block, result)
    }
  }

  /// (kernel place, output block, channel, 16)
  func enlargement(_ weights: [Float]) -> AlignedFloats {
    let count = multiplied
    let weights = withFillers(weights, each: outputs * places, times: 1)
    let rows = AlignedFloats(count: blocks * places * count * Self.lanes) { result in
      for output in 0..<outputs {
        for input in 0..<count {
          for place in 0..<places {
            let to = (place * blocks + output / Self.lanes) * count + input
            result[to * Self.lanes + output % Self.lanes] = weights[(input * outputs + output) * places + place]
          }
        }
      }
    }
    return isBF16 ? pairs(rows) : rows
  }

  /// Of weights (output, input, kernel z, y, x).
  private var strides: mt_weight_strides {
    mt_weight_strides(output: multiplied * places, input: places, z: kernel[1] * kernel[2], y: kernel[2], x: 1)
  }

  /// - Parameters:
  ///   - count: the rows of 16 weights for each block and channel.
  ///   - make: writes those of a block.
  private func made(
    _ weights: [Float], count: Int,
    _ make: @Sendable (_ weights: UnsafePointer<Float>?, _ block: Int, _ result: UnsafeMutablePointer<Float>?) -> Void
  ) -> AlignedFloats {
    let rows = AlignedFloats(count: count * blocks * multiplied * Self.lanes) { result in
      withFillers(weights, each: places, times: outputs).withUnsafeBufferPointer { weights in
        let (result, weights) = (Shared(result.baseAddress), Shared(weights.baseAddress))
        Parallel.forEach(blocks) { make(weights.value, $0, result.value) }
      }
    }
    return isBF16 ? pairs(rows) : rows
  }

  /// Weights with a channel of zeros behind every input of an odd number of channels, where pairs ask for it.
  ///
  /// - Parameters:
  ///   - size: how many values a channel has.
  ///   - times: how often all inputs come.
  private func withFillers(_ weights: [Float], each size: Int, times: Int) -> [Float] {
    guard inputs.contains(where: { filler($0) > 0 }) else { return weights }
    var result: [Float] = []
    result.reserveCapacity(multiplied * size * times)
    var place = 0
    for _ in 0..<times {
      for channels in inputs {
        result += weights[place..<place + channels * size]
        result += [Float](repeating: 0, count: filler(channels) * size)
        place += channels * size
      }
    }
    return result
  }

  private func pairs(_ rows: AlignedFloats) -> AlignedFloats {
    AlignedFloats(count: rows.values.count / 2) { result in
      result.withMemoryRebound(to: UInt16.self) { result in
        mt_pair_rows(rows.address, rows.values.count / Self.lanes, result.baseAddress)
      }
    }
  }
}
