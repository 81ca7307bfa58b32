import Basics
import Checkpoints
import ImageFormats
import Imaging

/// Brings a training case and its segmentation to the network's grid, as nnU-Net's DefaultPreprocessor does.
struct TrainingPreparation: Sendable {
  let plans: Plans
  let dataset: DatasetDescription

  /// A case and its labels, transposed and cropped; the same for all configurations of a plan.
  struct Cropped: Sendable {
    var image: CroppedCase
    /// (1, Z, Y, X); -1 where the image is zero, no label is given and no hole is.
    let labels: Volume<Int16>
  }

  /// A case on a configuration's grid.
  struct Prepared: Sendable {
    /// (C, Z, Y, X)
    let image: Volume<Float>
    let labels: Volume<Int16>
    let properties: PreprocessedProperties
  }

  /// Reads a case. Throws `missingInput` or `badInput`, naming the file.
  func read(_ training: TrainingCase) throws -> Cropped {
    let image = try plans.reader.read(training.images)
    let labels = try locating(training.label) {
      let labels = try Self.signed(plans.reader.readLabels(training.label).labels)
      guard labels.shape == image.voxels.shape else {
        throw Failure(
          .badInput, "has \(labels.shape) voxels, its image \(image.voxels.shape)",
          hint: "image and segmentation must lie on one grid")
      }
      return labels
    }
    return try locating(training.images[0]) {
      let cropped = try CasePreparation.crop(image, transpose: plans.transposeForward, channels: dataset.channelCount)
      var inside = try labels.permuted(plans.transposeForward).cropped(to: cropped.cropBox)
      let mask = NonzeroCrop.filledMask(of: cropped.voxels)
      inside.elements.withUnsafeMutableBufferPointer { labels in
        mask.elements.withUnsafeBufferPointer { mask in
          for index in labels.indices where labels[index] == 0 && mask[index] == 0 { labels[index] = -1 }
        }
      }
      return Cropped(image: cropped, labels: inside)
    }
  }

  /// Normalises and resamples a case for one configuration. Throws `badInput`.
  func prepare(_ cropped: consuming Cropped, for configuration: Configuration, keys: [ClassKey]) throws -> Prepared {
    guard configuration.normalizations.count >= cropped.image.voxels.channels else {
      throw Failure(
        .badInput,
        "the plans normalise \(configuration.normalizations.count) channels, the dataset has \(dataset.channelCount)")
    }
    let record = try CasePreparation.record(of: cropped.image, for: configuration)
    let labels = cropped.labels
    var voxels = cropped.image.voxels
    cropped.image.voxels = Volume(channels: 0, shape: Shape3D(0, 0, 0), elements: [])
    // What is labelled counts as inside, even where the image is zero.
    let isMasked = configuration.normalizations.prefix(voxels.channels).contains(.zScore(masked: true))
    let mask =
      isMasked ? Volume<UInt8>(shape: labels.shape, elements: labels.elements.map { $0 >= 0 ? 1 : 0 }) : nil
    for channel in 0..<voxels.channels {
      try configuration.normalizations[channel].apply(to: &voxels, channel: channel, mask: mask)
    }
    // Without resampling a case keeps the grid it has.
    let keepsGrid =
      configuration.imageResampling.method == .none && configuration.segmentationResampling.method == .none
    let shape = keepsGrid ? voxels.shape : record.networkShape
    let image = try configuration.imageResampling.resample(
      voxels, to: shape, from: record.spacing, to: record.networkSpacing)
    let resampled = try configuration.segmentationResampling.resample(
      labels: labels, to: shape, from: record.spacing, to: record.networkSpacing)
    return Prepared(
      image: image, labels: resampled,
      properties: PreprocessedProperties(record: record, locations: ClassLocations.sample(resampled, keys: keys)))
  }

  /// Labels with room for -1.
  private static func signed(_ map: LabelMap) throws -> Volume<Int16> {
    switch map {
    case .uint8(let volume): return Volume(shape: volume.shape, elements: volume.elements.map { Int16($0) })
    case .uint16(let volume):
      guard map.maximum <= Int(Int16.max) else {
        throw Failure(.badInput, "holds the label \(map.maximum); labels up to \(Int16.max) can be trained")
      }
      return Volume(shape: volume.shape, elements: volume.elements.map { Int16($0) })
    }
  }
}

extension TrainingPreparation.Prepared {
  /// Writes `CASE.npz` and `CASE.pkl`, whole or not at all each; neither is flushed to the disk.
  ///
  /// - Parameter stem: the path without its ending.
  func write(stem: String, keys: [ClassKey]) throws {
    let archive = try NPZWriter(path: stem + ".npz", flushes: false)
    try image.elements.withUnsafeBytes {
      try archive.store("data", $0, type: .float32, shape: [image.channels] + image.shape.axes)
    }
    try labels.elements.withUnsafeBytes {
      try archive.store("seg", $0, type: .int16, shape: [1] + labels.shape.axes)
    }
    try archive.commit()
    try AtomicFile.write(
      PickleWriter.bytes(of: properties.pickled(keys: keys)), to: stem + ".pkl", flushes: false)
  }
}
