import ArgumentParser
import Basics
import ImageFormats
import Imaging
import Reporting

/// `microtome overlay`
struct DrawOverlay: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overlay", abstract: "Draws a segmentation over its image: three slices in one PNG.")

  @Argument(help: "The image.")
  var image: String

  @Argument(help: "Its segmentation.")
  var labels: String

  @Option(name: .shortAndLong, help: "The PNG to write.")
  var output: String

  func run() throws {
    guard output.lowercased().hasSuffix(".png") else {
      throw Failure(.usage, "the picture is a PNG, but its name says otherwise", file: output, hint: "end it in .png")
    }
    let image = try ImageReader.simpleITK.read([self.image])
    let labels = try ImageReader.simpleITK.readLabels(self.labels)
    guard image.voxels.shape == labels.labels.shape else {
      throw Failure(
        .badInput, "the segmentation has \(labels.labels.shape) voxels, the image \(image.voxels.shape)",
        file: self.labels)
    }
    let overlay = Overlay(
      image: image.voxels, labels: labels.labels, spacing: image.spacing, reversed: Self.reversals(image.geometry))
    try PNG.write(rgb: overlay.pixels, width: overlay.width, height: overlay.height, to: output)
  }

  /// For each array axis (Z, Y, X), whether its indices run away from head, back and left.
  private static func reversals(_ geometry: SourceGeometry) -> [Bool] {
    guard case .itk(_, _, _, let direction, _) = geometry, direction.count == 9 else { return [false, false, false] }
    return [direction[8] < 0, direction[4] < 0, direction[0] < 0]
  }
}
