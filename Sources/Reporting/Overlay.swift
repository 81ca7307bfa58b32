import Imaging

/// A picture of a segmentation over its image: three orthogonal slices side by side, in 8-bit RGB.
///
/// Each slice is the one that shows the most labelled voxels. Pixels are square in millimetres whatever the spacing.
public struct Overlay: Sendable {
  public let width: Int
  public let height: Int
  /// Row by row from the top, three bytes a pixel.
  public let pixels: [UInt8]

  /// - Parameters:
  ///   - image: intensities; the first channel is shown, (Z, Y, X).
  ///   - labels: on the same grid.
  ///   - spacing: mm, (Z, Y, X).
  ///   - reversed: for each axis, whether its indices run against the viewing convention (towards the patient's head,
  ///     back and left).
  ///   - panelHeight: the height of the picture in pixels.
  public init(
    image: Volume<Float>, labels: LabelMap, spacing: Vector3D, reversed: [Bool] = [false, false, false],
    panelHeight: Int = 480
  ) {
    let shape = image.shape
    let labels = labels.wide
    let window = IntensityWindow(image.elements.prefix(shape.count))
    let panels = (0..<3).map { axis in
      Panel(
        axis: axis, position: Self.fullestSlice(labels, axis: axis), shape: shape, spacing: spacing, reversed: reversed,
        height: panelHeight)
    }
    let gap = 4
    let width = panels.reduce(gap * (panels.count - 1)) { $0 + $1.width }
    var pixels = [UInt8](repeating: 0, count: width * panelHeight * 3)
    var left = 0
    for panel in panels {
      for row in 0..<panelHeight {
        for column in 0..<panel.width {
          let color = panel.color(row: row, column: column, image: image, labels: labels, window: window)
          let target = (row * width + left + column) * 3
          pixels[target] = color.red
          pixels[target + 1] = color.green
          pixels[target + 2] = color.blue
        }
      }
      left += panel.width + gap
    }
    self.width = width
    height = panelHeight
    self.pixels = pixels
  }

  /// The index along `axis` of the slice with the most foreground.
  private static func fullestSlice(_ labels: Volume<UInt16>, axis: Int) -> Int {
    let shape = labels.shape
    var counts = [Int](repeating: 0, count: shape[axis])
    for z in 0..<shape.z {
      for y in 0..<shape.y {
        for x in 0..<shape.x where labels[z, y, x] != 0 { counts[axis == 0 ? z : axis == 1 ? y : x] += 1 }
      }
    }
    let fullest = counts.indices.max { counts[$0] < counts[$1] } ?? 0
    return counts.isEmpty || counts[fullest] == 0 ? shape[axis] / 2 : fullest
  }
}

/// One slice of the picture.
private struct Panel {
  let axis: Int
  let position: Int
  let shape: Shape3D
  let reversed: [Bool]
  let width: Int
  let height: Int
  /// The axes shown from top to bottom and from left to right.
  let vertical: Int
  let horizontal: Int

  init(axis: Int, position: Int, shape: Shape3D, spacing: Vector3D, reversed: [Bool], height: Int) {
    self.axis = axis
    self.position = position
    self.shape = shape
    self.reversed = reversed
    self.height = height
    vertical = axis == 0 ? 1 : 0
    horizontal = axis == 2 ? 1 : 2
    let aspect =
      Double(shape[horizontal]) * spacing[horizontal] / max(1e-6, Double(shape[vertical]) * spacing[vertical])
    width = max(1, min(4 * height, Int((Double(height) * aspect).rounded())))
  }

  private func voxel(row: Int, column: Int) -> Shape3D {
    var place = Shape3D(0, 0, 0)
    place[axis] = position
    place[vertical] = (2 * row + 1) * shape[vertical] / (2 * height)
    place[horizontal] = (2 * column + 1) * shape[horizontal] / (2 * width)
    // The head is up: Z grows downwards in an array, upwards in a picture.
    if (vertical == 0) != reversed[vertical] { place[vertical] = shape[vertical] - 1 - place[vertical] }
    if reversed[horizontal] { place[horizontal] = shape[horizontal] - 1 - place[horizontal] }
    return place
  }

  func color(
    row: Int, column: Int, image: Volume<Float>, labels: Volume<UInt16>, window: IntensityWindow
  ) -> Color {
    let place = voxel(row: row, column: column)
    let gray = window.gray(image[place.z, place.y, place.x])
    let label = labels[place.z, place.y, place.x]
    guard label != 0 else { return Color(red: gray, green: gray, blue: gray) }
    // The outline of a label is solid, its inside lets the image through.
    let isOutline = [(-1, 0), (1, 0), (0, -1), (0, 1)].contains { down, right in
      let other = voxel(row: min(max(row + down, 0), height - 1), column: min(max(column + right, 0), width - 1))
      return labels[other.z, other.y, other.x] != label
    }
    return Color.of(label: Int(label)).over(gray, opacity: isOutline ? 1 : 0.4)
  }
}

/// Maps intensities to gray levels: black at the first percentile, white at the ninety-ninth.
struct IntensityWindow {
  private let lower: Float
  private let scale: Float

  init(_ values: ArraySlice<Float>) {
    // A sample is enough to place a window.
    let step = max(1, values.count / 100_000)
    let sample = stride(from: values.startIndex, to: values.endIndex, by: step).map { values[$0] }
      .filter(\.isFinite).sorted()
    lower = sample.isEmpty ? 0 : sample[sample.count / 100]
    let upper = sample.isEmpty ? 1 : sample[sample.count - 1 - sample.count / 100]
    scale = 255 / max(upper - lower, .leastNormalMagnitude)
  }

  func gray(_ value: Float) -> UInt8 {
    let level = (value - lower) * scale
    return level > 0 ? UInt8(min(level, 255)) : 0
  }
}

struct Color: Equatable {
  var red: UInt8
  var green: UInt8
  var blue: UInt8

  /// Distinct colours for any number of labels: hues a golden angle apart.
  static func of(label: Int) -> Color {
    let hue = (Double(label) * 0.618_033_988_75).truncatingRemainder(dividingBy: 1) * 6
    let rising = UInt8(55 + 200 * hue.truncatingRemainder(dividingBy: 1))
    let falling = UInt8(255 - 200 * hue.truncatingRemainder(dividingBy: 1))
    switch Int(hue) {
    case 0: return Color(red: 255, green: rising, blue: 55)
    case 1: return Color(red: falling, green: 255, blue: 55)
    case 2: return Color(red: 55, green: 255, blue: rising)
    case 3: return Color(red: 55, green: falling, blue: 255)
    case 4: return Color(red: rising, green: 55, blue: 255)
    default: return Color(red: 255, green: 55, blue: falling)
    }
  }

  func over(_ gray: UInt8, opacity: Double) -> Color {
    func mix(_ channel: UInt8) -> UInt8 { UInt8(Double(channel) * opacity + Double(gray) * (1 - opacity)) }
    return Color(red: mix(red), green: mix(green), blue: mix(blue))
  }
}

extension LabelMap {
  /// The labels in 16 bits.
  fileprivate var wide: Volume<UInt16> {
    switch self {
    case .uint8(let volume): Volume(shape: volume.shape, elements: volume.elements.map(UInt16.init))
    case .uint16(let volume): volume
    }
  }
}
