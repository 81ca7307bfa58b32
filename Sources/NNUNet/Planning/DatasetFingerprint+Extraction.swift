import Basics
import ImageFormats
import Imaging
import Synchronization

extension DatasetFingerprint {
  /// Foreground voxels drawn from the whole dataset, per channel.
  private static let samples = 100_000_000
  private static let seed = 1234

  /// Reads every case and takes its size and intensities, on all cores.
  ///
  /// Intensities are those of voxels drawn at random from each case's foreground, exactly the ones nnU-Net draws.
  ///
  /// - Parameters:
  ///   - limit: the most cases to work on at once.
  ///   - progress: is told how many cases are done.
  /// - Throws: the first case's failure after all have been tried; `badInput` when no case has any foreground.
  public static func extract(
    from dataset: RawDataset, reader: ImageReader, limit: Int? = nil,
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> DatasetFingerprint {
    let cases = dataset.cases
    let draws = samples / cases.count
    let state = Mutex((found: [Int: CaseFingerprint](), failures: [Int: Failure]()))
    try CaseWorkers.run(cases.count, limit: limit) {
      CaseMemory.ofReading(cases[$0].images, reader: reader)
    } failed: { index, failure in
      state.withLock { $0.failures[index] = failure.located(in: cases[index].images[0]) }
    } _: { index in
      let fingerprint = try CaseFingerprint(
        cases[index], reader: reader, channels: dataset.description.channelCount, draws: draws, seed: seed)
      let done = state.withLock { state in
        state.found[index] = fingerprint
        return state.found.count
      }
      progress(done, cases.count)
    }
    let (found, failures) = state.withLock { ($0.found, $0.failures) }
    if let first = failures.keys.min().flatMap({ failures[$0] }) {
      guard failures.count > 1 else { throw first }
      throw Failure(
        first.kind, "\(first.message), and \(failures.count - 1) more case(s) cannot be read", file: first.file,
        hint: "--verify_dataset_integrity lists everything that is wrong")
    }
    let all = cases.indices.compactMap { found[$0] }
    var intensities = JSONObject()
    for channel in 0..<dataset.description.channelCount {
      let drawn = all.filter { !$0.intensities.isEmpty }.map { $0.intensities[channel] }
      guard let statistics = WeightedIntensities.statistics(of: drawn) else {
        throw Failure(
          .badInput, "no training case has any foreground", file: dataset.path,
          hint: "labels above 0 are foreground; check labelsTr")
      }
      intensities[String(channel)] = statistics
    }
    return DatasetFingerprint(
      shapes: all.map(\.shape.axes), spacings: all.map(\.spacing.axes),
      medianRelativeSize: Percentile.median(all.map(\.relativeSize)), intensities: .object(intensities))
  }
}

/// What one case adds to the fingerprint.
private struct CaseFingerprint: Sendable {
  /// After cropping.
  let shape: Shape3D
  let spacing: Vector3D
  /// The share of voxels that cropping keeps.
  let relativeSize: Double
  /// One per channel; empty without foreground.
  let intensities: [WeightedIntensities]

  init(_ training: TrainingCase, reader: ImageReader, channels: Int, draws: Int, seed: Int) throws {
    let image = try reader.read(training.images)
    guard image.voxels.channels == channels else {
      throw Failure(
        .badInput, "the case has \(image.voxels.channels) channel(s), dataset.json names \(channels)",
        file: training.images[0])
    }
    let labels = try reader.readLabels(training.label).labels
    guard labels.shape == image.voxels.shape else {
      throw Failure(
        .badInput, "has \(labels.shape) voxels, its image \(image.voxels.shape)", file: training.label,
        hint: "image and segmentation must lie on one grid")
    }
    let box = NonzeroCrop.boundingBox(of: image.voxels)
    shape = box.shape
    spacing = image.spacing
    relativeSize = Double(box.shape.count) / Double(image.voxels.shape.count)
    let foreground =
      switch labels {
      case .uint8(let volume): Self.positions(volume, box)
      case .uint16(let volume): Self.positions(volume, box)
      }
    guard !foreground.isEmpty else {
      intensities = []
      return
    }
    var random = RandomState(seed: seed)
    var drawn: [WeightedIntensities] = []
    for channel in 0..<channels {
      let start = channel * image.voxels.shape.count
      let values = image.voxels.elements.withUnsafeBufferPointer { voxels in
        foreground.map { voxels[start + Int($0)] }
      }
      drawn.append(WeightedIntensities(values, counts: random.tally(draws: draws, of: foreground.count)))
    }
    intensities = drawn
  }

  /// The voxels of a box with a label above 0, in C order, as positions in the whole volume.
  private static func positions<Label: UnsignedInteger & BitwiseCopyable>(
    _ labels: Volume<Label>, _ box: Box3D
  ) -> [Int] {
    let shape = labels.shape
    var positions: [Int] = []
    labels.elements.withUnsafeBufferPointer { labels in
      for z in box.lower.z..<box.upper.z {
        for y in box.lower.y..<box.upper.y {
          let row = (z * shape.y + y) * shape.x
          for index in row + box.lower.x..<row + box.upper.x where labels[index] != 0 { positions.append(index) }
        }
      }
    }
    return positions
  }
}
