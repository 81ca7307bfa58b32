import Basics
import Imaging

extension ClassLocations {
  private static let seed = 1234
  /// As many voxels are kept of a class, if there are so many, and at least a hundredth of all.
  private static let fewest = 10_000

  /// Draws voxels of each key from a case's labels, the very ones nnU-Net draws.
  static func sample(_ labels: Volume<Int16>, keys: [ClassKey]) -> [ClassLocations] {
    let positions = Self.positions(labels, wanted: Set(keys.flatMap(\.labels)))
    var random = RandomState(seed: seed)
    let shape = labels.shape
    return keys.map { key in
      let parts = key.labels.map { positions[$0] ?? [] }
      let total = parts.reduce(0) { $0 + $1.count }
      guard total > 0 else { return ClassLocations(labels: key.labels, coordinates: []) }
      let voxels = parts.count == 1 ? parts[0] : parts.flatMap { $0 }
      let picks = max(min(fewest, total), Int((Double(total) * 0.01).rounded(.up)))
      var coordinates: [Int32] = []
      coordinates.reserveCapacity(3 * picks)
      for pick in random.permutation(total, prefix: picks) {
        let (row, x) = Int(voxels[Int(pick)]).quotientAndRemainder(dividingBy: shape.x)
        let (z, y) = row.quotientAndRemainder(dividingBy: shape.y)
        coordinates.append(Int32(truncatingIfNeeded: z))
        coordinates.append(Int32(truncatingIfNeeded: y))
        coordinates.append(Int32(truncatingIfNeeded: x))
      }
      return ClassLocations(labels: key.labels, coordinates: coordinates)
    }
  }

  /// The voxels of each label in C order. Preparation takes no image of more than 2^32 voxels.
  private static func positions(_ labels: Volume<Int16>, wanted: Set<Int>) -> [Int: [UInt32]] {
    var positions: [Int: [UInt32]] = [:]
    labels.elements.withUnsafeBufferPointer { voxels in
      // Labels come in runs.
      var start = 0
      while start < voxels.count {
        let label = voxels[start]
        var end = start + 1
        while end < voxels.count, voxels[end] == label { end += 1 }
        if wanted.contains(Int(label)) {
          positions[Int(label), default: []].append(contentsOf: UInt32(start)..<UInt32(end))
        }
        start = end
      }
    }
    return positions
  }
}
