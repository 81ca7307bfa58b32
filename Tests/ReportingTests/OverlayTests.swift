import Imaging
import Testing

@testable import Reporting

@Suite struct OverlayTests {
  @Test func labelledVoxelsAreColouredAndOthersAreGray() {
    var image = Volume<Float>(shape: Shape3D(4, 8, 8), repeating: 0)
    for index in image.elements.indices { image.elements[index] = Float(index % 8) }
    var labels = Volume<UInt8>(shape: image.shape, repeating: 0)
    for y in 2..<6 { for x in 2..<6 { labels[1, y, x] = 3 } }
    let overlay = Overlay(
      image: image, labels: .uint8(labels), spacing: Vector3D(2, 1, 1), panelHeight: 80)
    #expect(overlay.height == 80)
    #expect(overlay.pixels.count == overlay.width * overlay.height * 3)
    func pixel(_ row: Int, _ column: Int) -> Color {
      let start = (row * overlay.width + column) * 3
      return Color(red: overlay.pixels[start], green: overlay.pixels[start + 1], blue: overlay.pixels[start + 2])
    }
    // The first panel is slice 1, ten pixels a voxel.
    let background = pixel(5, 5)
    #expect(background.red == background.green && background.green == background.blue)
    #expect(pixel(20, 20) == Color.of(label: 3))
    let inside = pixel(40, 40)
    #expect(inside != Color.of(label: 3) && inside.red != inside.blue)
  }

  @Test func coloursOfNeighbouringLabelsDiffer() {
    let colors = (1...40).map { Color.of(label: $0) }
    for (first, second) in zip(colors, colors.dropFirst()) {
      let distance =
        abs(Int(first.red) - Int(second.red)) + abs(Int(first.green) - Int(second.green))
        + abs(Int(first.blue) - Int(second.blue))
      #expect(distance > 100)
    }
  }

  @Test func constantAndNonFiniteImagesHaveAWindow() {
    #expect(IntensityWindow([5, 5, 5]).gray(5) == 0)
    #expect(IntensityWindow([.nan, 1, 2, .infinity]).gray(.nan) == 0)
    #expect(IntensityWindow([0, 1]).gray(.infinity) == 255)
  }
}
