import Basics
import Imaging

/// Sums over the voxels of every label, made in one pass over the volume.
struct LabelTally: Sendable {
  struct Label: Sendable {
    var count = 0
    /// Of the intensities and of their squares.
    var sum = 0
    var squares = 0.0
    var smallest = Int(Int16.max)
    var largest = Int(Int16.min)
    /// Of the voxel indices.
    var positions = Shape3D(0, 0, 0)
    var box = Box3D(lower: Shape3D(.max, .max, .max), upper: Shape3D(0, 0, 0))
    /// Whether a voxel lies within some slices of the volume's border.
    var touchesBorder = false

    fileprivate mutating func formUnion(_ other: Label) {
      count += other.count
      sum += other.sum
      squares += other.squares
      smallest = min(smallest, other.smallest)
      largest = max(largest, other.largest)
      touchesBorder = touchesBorder || other.touchesBorder
      for axis in 0..<3 {
        positions[axis] += other.positions[axis]
        box.lower[axis] = min(box.lower[axis], other.box.lower[axis])
        box.upper[axis] = max(box.upper[axis], other.box.upper[axis])
      }
    }
  }

  /// 256 of them.
  private(set) var labels: [Label]
  /// The intensities of each label, sorted; empty unless asked for.
  private var values: [[Int16]] = []

  /// - Parameters:
  ///   - image: intensities on the labels' grid; taken as 16-bit integers, wrapping around.
  ///   - countsValues: keep all intensities, for medians.
  ///   - border: how many slices at either end of an axis are the border.
  static func count(
    _ labels: Volume<UInt8>, _ image: Volume<Float>, countsValues: Bool, border: Int
  ) -> LabelTally {
    let shape = labels.shape
    let pieces = min(shape.z, Parallel.coreCount * 4)
    var partial = [LabelTally](repeating: LabelTally(countsValues: countsValues), count: pieces)
    labels.elements.withUnsafeBufferPointer { voxels in
      image.elements.withUnsafeBufferPointer { intensities in
        partial.withUnsafeMutableBufferPointer { partial in
          guard let voxels = voxels.baseAddress, let intensities = intensities.baseAddress else { return }
          let shared = Shared((voxels: voxels, intensities: intensities, partial: partial))
          Parallel.forEach(pieces) { piece in
            let slices = shape.z * piece / pieces..<shape.z * (piece + 1) / pieces
            shared.value.partial[piece].add(
              shared.value.voxels, shared.value.intensities, shape, slices: slices, border: border)
          }
        }
      }
    }
    var total = LabelTally(countsValues: countsValues)
    for piece in partial {
      for label in 0..<256 {
        total.labels[label].formUnion(piece.labels[label])
        if countsValues { total.values[label] += piece.values[label] }
      }
    }
    for label in total.values.indices { total.values[label].sort() }
    return total
  }

  /// The median intensity of a label with `count` voxels.
  func median(of label: Int, _ count: Int) -> Double {
    let sorted = values[label]
    return (Double(sorted[(count - 1) / 2]) + Double(sorted[count / 2])) / 2
  }

  private init(countsValues: Bool) {
    labels = Array(repeating: Label(), count: 256)
    if countsValues { values = Array(repeating: [], count: 256) }
  }

  /// Rows are taken apart into runs of equal labels.
  private mutating func add(
    _ voxels: UnsafePointer<UInt8>, _ intensities: UnsafePointer<Float>, _ shape: Shape3D, slices: Range<Int>,
    border: Int
  ) {
    let keeps = !values.isEmpty
    for z in slices {
      for y in 0..<shape.y {
        let row = voxels + (z * shape.y + y) * shape.x
        let image = intensities + (z * shape.y + y) * shape.x
        let isBorder = z < border || z >= shape.z - border || y < border || y >= shape.y - border
        var x = 0
        while x < shape.x {
          let label = row[x]
          let start = x
          repeat { x += 1 } while x < shape.x && row[x] == label
          guard label != 0 else { continue }
          labels[Int(label)].add(
            image, start..<x, z: z, y: y, touchesBorder: isBorder || start < border || x > shape.x - border)
          if keeps { for index in start..<x { values[Int(label)].append(Int16(wrapping: image[index])) } }
        }
      }
    }
  }
}

extension LabelTally.Label {
  fileprivate mutating func add(
    _ image: UnsafePointer<Float>, _ run: Range<Int>, z: Int, y: Int, touchesBorder isBorder: Bool
  ) {
    let length = run.count
    count += length
    positions.z += z * length
    positions.y += y * length
    positions.x += (run.lowerBound + run.upperBound - 1) * length / 2
    box.lower = Shape3D(min(box.lower.z, z), min(box.lower.y, y), min(box.lower.x, run.lowerBound))
    box.upper = Shape3D(max(box.upper.z, z + 1), max(box.upper.y, y + 1), max(box.upper.x, run.upperBound))
    touchesBorder = touchesBorder || isBorder
    var (total, square) = (0, 0)
    var (low, high) = (Int(Int16.max), Int(Int16.min))
    for index in run {
      let value = Int(Int16(wrapping: image[index]))
      total &+= value
      square &+= value &* value
      low = min(low, value)
      high = max(high, value)
    }
    sum += total
    squares += Double(square)
    smallest = min(smallest, low)
    largest = max(largest, high)
  }
}

extension Int16 {
  /// The integer part, wrapped around to 16 bits; 0 for what is no 64-bit number.
  @inline(__always)
  fileprivate init(wrapping value: Float) {
    let fits = value > -9e18 && value < 9e18
    self.init(truncatingIfNeeded: fits ? Int(value) : 0)
  }
}

extension Volume where Element == Float {
  /// The smallest and largest intensity as 16-bit integers; nil when there is only one.
  var integerRange: ClosedRange<Int>? {
    var (low, high) = (Int16.max, Int16.min)
    for value in elements {
      let whole = Int16(wrapping: value)
      low = min(low, whole)
      high = max(high, whole)
    }
    return low < high ? Int(low)...Int(high) : nil
  }
}
