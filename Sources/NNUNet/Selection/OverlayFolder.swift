import Basics
import ImageFormats
import Imaging
import Reporting

/// Draws the training cases of a dataset with their labels, one picture each: `nnUNetv2_plot_overlay_pngs`.
public struct OverlayFolder: Sendable {
  /// What is drawn.
  public enum Source: Sendable {
    /// Images and labels as they are in `nnUNet_raw`.
    case raw(RawDataset)
    /// The network's view of them.
    case preprocessed(PreprocessedFolder)
  }

  public let source: Source
  public let output: String
  /// The image channel that is shown.
  public var channel = 0
  /// How strongly labels are coloured.
  public var intensity: Double = 0.6

  public init(source: Source, output: String) { (self.source, self.output) = (source, output) }

  /// Writes `<case>.png` for every training case. Throws `missingInput`, `badInput` and `cannotWrite`.
  ///
  /// - Returns: the number of pictures.
  @discardableResult
  public func draw(
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Int {
    switch source {
    case .raw(let dataset):
      let reader = try dataset.reader()
      return try drawEach(dataset.cases, progress) { training in
        let image = try reader.read(training.images).voxels
        let labels = try reader.read([training.label]).voxels
        guard labels.shape == image.shape else {
          throw Failure(
            .badInput, "the labels have \(labels.shape) voxels, the image \(image.shape)", file: training.label)
        }
        let marks = labels.elements.prefix(labels.shape.count).map { Int16(exactly: $0.rounded()) ?? 0 }
        try draw(image, labels: Volume(shape: labels.shape, elements: marks), identifier: training.identifier)
      }
    case .preprocessed(let folder):
      return try drawEach(folder.identifiers, progress) { identifier in
        let data = try folder.open(identifier)
        var image = Volume<Float>(channels: data.channelCount, shape: data.shape, repeating: 0)
        var labels = Volume<Int16>(shape: data.shape, repeating: 0)
        try image.elements.withUnsafeMutableBufferPointer { image in
          try labels.elements.withUnsafeMutableBufferPointer { labels in
            try data.read(Box3D(data.shape), image: image, labels: labels)
          }
        }
        try draw(image, labels: labels, identifier: identifier)
      }
    }
  }

  private func drawEach<Case: Sendable>(
    _ cases: [Case], _ progress: @escaping @Sendable (Int, Int) -> Void, _ body: @Sendable (Case) throws -> Void
  ) throws -> Int {
    try Path.makeFolder(output)
    let counter = Counter(total: cases.count, report: progress)
    _ = try CaseWorkers.map(cases) { _, each in
      try body(each)
      counter.advance()
    }
    return cases.count
  }

  private func draw(_ image: Volume<Float>, labels: Volume<Int16>, identifier: String) throws {
    guard channel < image.channels else {
      throw Failure(.usage, "there is no channel \(channel); the case \(identifier) has \(image.channels)")
    }
    let overlay = SliceOverlay(image: image, channel: channel, labels: labels, intensity: intensity)
    try PNG.write(
      rgb: overlay.pixels, width: overlay.width, height: overlay.height, to: Path.join(output, identifier + ".png"))
  }
}
