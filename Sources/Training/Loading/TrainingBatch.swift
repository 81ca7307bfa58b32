import Imaging

/// A batch as the network takes it: memory that is filled again and again.
public final class TrainingBatch: @unchecked Sendable {
  public let size: Int
  /// Image channels, and one for each label of a cascade's first stage.
  public let channels: Int
  public let patch: Shape3D
  /// (N, C, Z, Y, X)
  public let image: UnsafeMutableBufferPointer<Float>
  /// For each output of the network, finest first: (N, Z, Y, X).
  public let labels: [UnsafeMutableBufferPointer<Int16>]
  public let labelShapes: [Shape3D]
  /// The samples of a batch that is finished on a device, whose `image` and `labels` are empty; else none.
  let unfinished: [UnfinishedSample]

  /// - Parameters:
  ///   - finished: whether samples are complete when they are in the batch.
  ///   - pinned: makes the memory of unfinished samples, where there is any for a device to read.
  init(
    size: Int, channels: Int, patch: Shape3D, labelShapes: [Shape3D], finished: Bool = true,
    pinned: PinnedMemorySource? = nil
  ) {
    self.size = size
    self.channels = channels
    self.patch = patch
    self.labelShapes = labelShapes
    unfinished = finished ? [] : (0..<size).map { _ in UnfinishedSample(pinned: pinned) }
    image = .allocate(capacity: finished ? size * channels * patch.count : 0)
    image.initialize(repeating: 0)
    labels = labelShapes.map { shape in
      let level = UnsafeMutableBufferPointer<Int16>.allocate(capacity: finished ? size * shape.count : 0)
      level.initialize(repeating: 0)
      return level
    }
  }

  deinit {
    image.deallocate()
    for level in labels { level.deallocate() }
  }

  /// Bytes of one batch.
  static func byteCount(size: Int, channels: Int, patch: Shape3D) -> Int { size * patch.count * (4 * channels + 4) }
}
