import Basics
import CKernels

/// Floats at an address that vectors can be loaded from.
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
  var inputs: Int
  /// (Z, Y, X)
  var kernel: [Int]

  private static let lanes = NativePlan.lanes
  private var places: Int { kernel.reduce(1, *) }
  private var blocks: Int { NativePlan.blocks(of: outputs) }

  /// (output block, kernel place, channel, 16)
  func rows(_ weights: [Float]) -> AlignedFloats {
    reordered(weights, count: blocks * places * inputs) { output, input, place in
      ((output / Self.lanes * places + place) * inputs + input, (output * inputs + input) * places + place)
    }
  }

  /// (kernel place, output block, channel, 16)
  func enlargement(_ weights: [Float]) -> AlignedFloats {
    reordered(weights, count: places * blocks * inputs) { output, input, place in
      ((place * blocks + output / Self.lanes) * inputs + input, (input * outputs + output) * places + place)
    }
  }

  private func reordered(
    _ weights: [Float], count: Int, _ places: (_ output: Int, _ input: Int, _ place: Int) -> (to: Int, from: Int)
  ) -> AlignedFloats {
    AlignedFloats(count: count * Self.lanes) { result in
      for output in 0..<outputs {
        for input in 0..<inputs {
          for place in 0..<self.places {
            let (to, from) = places(output, input, place)
            result[to * Self.lanes + output % Self.lanes] = weights[from]
          }
        }
      }
    }
  }

  /// (point, output block, kernel z, channel, 16)
  func tiles(_ weights: [Float], tile: Int) -> AlignedFloats {
    AlignedFloats(count: (tile + 2) * (tile + 2) * blocks * kernel[0] * inputs * Self.lanes) { result in
      weights.withUnsafeBufferPointer { weights in
        let (result, weights) = (Shared(result.baseAddress), Shared(weights.baseAddress))
        Parallel.forEach(blocks) { block in
          mt_tile_weights(weights.value, outputs, inputs, kernel[0], tile, block, result.value)
        }
      }
    }
  }
}
