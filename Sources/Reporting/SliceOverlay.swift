import Imaging

/// One slice of an image in grey with its labels in colour over it, in 8-bit RGB: nnU-Net's overlay pictures.
///
/// The slice is the one along axis 0 that shows most of the labels on average; spacing is not looked at.
public struct SliceOverlay: Sendable {
  public let width: Int
  public let height: Int
  /// Row by row, three bytes a pixel.
  public let pixels: [UInt8]

  /// - Parameters:
  ///   - image: (C, Z, Y, X).
  ///   - channel: the one that is shown.
  ///   - labels: on the same grid, (Z, Y, X); values below 0 count as background.
  ///   - intensity: how strongly labels are coloured, from 0.
  public init(image: Volume<Float>, channel: Int = 0, labels: Volume<Int16>, intensity: Double = 0.6) {
    let shape = image.shape
    precondition(labels.shape == shape && channel < image.channels, "labels and image must have the same grid")
    width = shape.x
    height = shape.y
    let slice = Self.bestSlice(labels)
    let plane = shape.y * shape.x
    let start = (channel * shape.z + slice) * plane
    let grey = image.elements[start..<start + plane].map(Double.init)
    let marks = Array(labels.elements[slice * plane..<(slice + 1) * plane])
    let (lowest, highest) = (grey.min() ?? 0, grey.max() ?? 0)
    let present = Set(marks.map { max($0, 0) }).union([0]).sorted()
    let colorOf = Dictionary(
      uniqueKeysWithValues: present.enumerated().map { ($1, Self.colors[$0 % Self.colors.count]) })
    let scale = highest > lowest ? 255 / (highest - lowest) : 0
    var values = [Double](repeating: 0, count: plane * 3)
    for index in 0..<plane {
      let level = (grey[index] - lowest) * scale
      let color = colorOf[max(marks[index], 0)] ?? Self.colors[0]
      for part in 0..<3 {
        values[3 * index + part] = level + intensity * Double((color >> UInt32(16 - 8 * part)) & 0xFF)
      }
    }
    let brightest = values.max() ?? 0
    pixels = values.map { brightest > 0 ? UInt8(min(255, max(0, $0 / brightest * 255))) : 0 }
  }

  /// The slice whose mean share of the labels it could show is the largest; the middle one where nothing is labelled.
  private static func bestSlice(_ labels: Volume<Int16>) -> Int {
    let shape = labels.shape
    let plane = shape.y * shape.x
    var counts: [Int16: [Int]] = [:]
    for z in 0..<shape.z {
      for index in z * plane..<(z + 1) * plane where labels.elements[index] > 0 {
        counts[labels.elements[index], default: [Int](repeating: 0, count: shape.z)][z] += 1
      }
    }
    guard !counts.isEmpty else { return shape.z / 2 }
    let shares = counts.values.map { counts in
      let total = Double(counts.reduce(0, +))
      return counts.map { Double($0) / total }
    }
    let scores = (0..<shape.z).map { z in shares.reduce(0) { $0 + $1[z] } }
    let highest = scores.max() ?? 0
    return scores.firstIndex(of: highest) ?? 0
  }

  /// nnU-Net's colours of the labels in ascending order, the background first.
  private static let colors: [UInt32] = [
    0x000000, 0x4363D8, 0xF58231, 0x3CB44B, 0xE6194B, 0x911EB4, 0xFFE119, 0xBFEF45, 0x42D4F4, 0xF032E6, 0x000075,
    0x9A6324, 0x808000, 0x800000, 0x469990,
  ]
}
