import Basics

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
  private var blocks: Int { (outputs + Self.lanes - 1) / Self.lanes }

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

  /// (point, output block, kernel z, channel, 16): G w G' for the two fast axes of each kernel.
  func tiles(_ weights: [Float], tile: Int) -> AlignedFloats {
    let matrix = tile == 2 ? Self.twoResults : Self.fourResults
    let edge = tile + 2
    let depth = kernel[0]
    return AlignedFloats(count: edge * edge * blocks * depth * inputs * Self.lanes) { result in
      let result = Shared(result)
      Parallel.forEach(outputs) { output in
        var half = [Double](repeating: 0, count: edge * 3)
        for input in 0..<inputs {
          for z in 0..<depth {
            let from = ((output * inputs + input) * depth + z) * 9
            for point in 0..<edge {
              for x in 0..<3 {
                half[point * 3 + x] = (0..<3).reduce(0) { sum, y in
                  sum + matrix[point * 3 + y] * Double(weights[from + y * 3 + x])
                }
              }
            }
            for y in 0..<edge {
              for x in 0..<edge {
                let sum = (0..<3).reduce(0) { $0 + half[y * 3 + $1] * matrix[x * 3 + $1] }
                let block = (y * edge + x) * blocks + output / Self.lanes
                result.value[((block * depth + z) * inputs + input) * Self.lanes + output % Self.lanes] = Float(sum)
              }
            }
          }
        }
      }
    }
  }

  /// For the points 0, 1, -1 and infinity.
  private static let twoResults: [Double] = [1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1]
  /// For the points 0, 1, -1, 2, -2 and infinity.
  private static let fourResults: [Double] = [
    1 / 4, 0, 0, -1 / 6, -1 / 6, -1 / 6, -1 / 6, 1 / 6, -1 / 6, 1 / 24, 1 / 12, 1 / 6, 1 / 24, -1 / 12, 1 / 6, 0, 0, 1,
  ]
}
