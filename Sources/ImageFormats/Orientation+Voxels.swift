import Basics
import Imaging

extension Orientation {
  /// The voxels in the new arrangement.
  public func apply<Element>(to volume: Volume<Element>) -> Volume<Element> {
    if isIdentity { return volume }
    let shape = volume.shape
    let oldSizes = [shape.x, shape.y, shape.z]
    let oldStrides = [1, shape.x, shape.x * shape.y]
    let sizes = permuted(oldSizes)
    // Stepping along new axis i moves by `steps[i]` in the old volume, starting from `start`.
    var steps = permuted(oldStrides)
    var start = 0
    for index in 0..<3 where isFlipped[index] {
      start += (sizes[index] - 1) * steps[index]
      steps[index] = -steps[index]
    }
    let newShape = Shape3D(sizes[2], sizes[1], sizes[0])
    let plane = newShape.y * newShape.x
    let (stepX, stepY, stepZ, first) = (steps[0], steps[1], steps[2], start)
    return volume.elements.withUnsafeBufferPointer { source in
      Volume(channels: volume.channels, shape: newShape) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let shared = Shared((from: from, to: to))
        Parallel.ranges(volume.channels * newShape.z, minimum: max(1, (1 << 16) / max(1, plane))) { planes in
          for index in planes {
            let (channel, z) = (index / newShape.z, index % newShape.z)
            let base = shared.value.from + (channel * shape.count + first + z * stepZ)
            var row = shared.value.to + index * plane
            for y in 0..<newShape.y {
              let line = base + y * stepY
              for x in 0..<newShape.x { row[x] = line[x * stepX] }
              row += newShape.x
            }
          }
        }
      }
    }
  }
}
