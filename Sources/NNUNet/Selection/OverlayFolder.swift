import Basics
import ImageFormats
import Imaging
import Reporting

/// Draws the training cases of a raw dataset with their labels, one picture each: `nnUNetv2_plot_overlay_pngs`.
public struct OverlayFolder: Sendable {
  /// The dataset's folder in `nnUNet_raw`.
  public let dataset: String
  public let output: String
  /// The image channel that is shown.
  public var channel = 0
  /// How strongly labels are coloured.
  public var intensity: Double = 0.6

  public init(dataset: String, output: String) { (self.dataset, self.output) = (dataset, output) }

  /// Writes `<case>.png` for every case of `imagesTr`. Throws `missingInput`, `badInput` and `cannotWrite`.
  ///
  /// - Returns: the number of pictures.
  @discardableResult
  public func draw(
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Int {
    let description = try DatasetDescription.read(Path.join(dataset, "dataset.json"))
    let cases = try CaseList.find(at: Path.join(dataset, "imagesTr"), ending: description.fileEnding).cases
    let labels = Path.join(dataset, "labelsTr")
    let reader = try reader(description, labels)
    try Path.makeFolder(output)
    let counter = Counter(total: cases.count, report: progress)
    _ = try CaseWorkers.map(cases) { _, files in
      try draw(files, labels: Path.join(labels, files.identifier + description.fileEnding), reader)
      counter.advance()
    }
    return cases.count
  }

  private func reader(_ description: DatasetDescription, _ labels: String) throws -> ImageReader {
    if let name = description.json["overwrite_image_reader_writer"]?.string, let reader = ImageReader(rawValue: name) {
      return reader
    }
    return try FolderEvaluation.reader(forSegmentationsIn: labels).reader
  }

  private func draw(_ files: CaseFiles, labels: String, _ reader: ImageReader) throws {
    let image = try reader.read(files.images)
    let segmentation = try reader.read([labels]).voxels
    guard segmentation.shape == image.voxels.shape else {
      throw Failure(
        .badInput, "the labels have \(segmentation.shape) voxels, the image \(image.voxels.shape)", file: labels)
    }
    guard channel < image.voxels.channels else {
      throw Failure(.usage, "there is no channel \(channel); the case has \(image.voxels.channels)")
    }
    let marks = Volume<Int16>(
      shape: segmentation.shape,
      elements: segmentation.elements.prefix(segmentation.shape.count).map { Int16(exactly: $0.rounded()) ?? 0 })
    let overlay = SliceOverlay(image: image.voxels, channel: channel, labels: marks, intensity: intensity)
    try PNG.write(
      rgb: overlay.pixels, width: overlay.width, height: overlay.height,
      to: Path.join(output, files.identifier + ".png"))
  }
}
