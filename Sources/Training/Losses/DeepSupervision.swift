import Basics
import Imaging

/// The outputs of a network that training looks at: how large each is and how much it weighs, finest first.
public struct DeepSupervision: Sendable, Equatable {
  /// (Z, Y, X) of each output; Z is 1 for a two-dimensional network.
  public let shapes: [Shape3D]
  /// Sum to 1. The coarsest has the weight 0: nothing is computed for it.
  public let weights: [Double]

  /// - Parameters:
  ///   - patch: the network's input.
  ///   - strides: those of all stages, one number for each axis of the patch.
  public init(patch: Shape3D, strides: [[Int]]) {
    var scale = [1.0, 1.0, 1.0]
    var shapes: [Shape3D] = []
    for stage in strides.dropLast() {
      for (axis, stride) in stage.enumerated() { scale[axis + 3 - stage.count] /= Double(stride) }
      let sizes = (0..<3).map { Int((Double(patch[$0]) * scale[$0]).rounded(.toNearestOrEven)) }
      shapes.append(Shape3D(sizes[0], sizes[1], sizes[2]))
    }
    self.shapes = shapes
    weights = Self.weights(count: shapes.count)
  }

  /// One output, the finest.
  public init(patch: Shape3D) {
    shapes = [patch]
    weights = [1]
  }

  init(shapes: [Shape3D], weights: [Double]) {
    self.shapes = shapes
    self.weights = weights
  }

  /// Halved from output to output, without the last. A single output, which the reference cannot train, has it all.
  static func weights(count: Int) -> [Double] {
    guard count > 1 else { return [1] }
    let raw = (0..<count).map { $0 == count - 1 ? 0 : 1 / Double(1 << $0) }
    let sum = raw.reduce(0, +)
    return raw.map { $0 / sum }
  }

  /// Which outputs are computed in training.
  public var wanted: [Bool] { weights.map { $0 != 0 } }

  /// Labels (Z, Y, X) picked at the nearest voxels ("nearest-exact": source voxel floor((i + 0.5) n_in / n_out)).
  static func pick(
    _ labels: UnsafePointer<Int16>, _ shape: Shape3D, to out: UnsafeMutablePointer<Int16>, _ outShape: Shape3D
  ) {
    if shape == outShape {
      out.update(from: labels, count: shape.count)
      return
    }
    let sources = (0..<3).map { nearest(input: shape[$0], output: outShape[$0]) }
    var target = out
    for z in sources[0] {
      for y in sources[1] {
        let row = labels + (z * shape.y + y) * shape.x
        for x in sources[2] {
          target.pointee = row[x]
          target += 1
        }
      }
    }
  }

  /// The source voxel of every voxel along one axis.
  static func nearest(input: Int, output: Int) -> [Int] {
    let scale = Float(input) / Float(output)
    return (0..<output).map { min(Int((Float($0) + 0.5) * scale), input - 1) }
  }
}
