import Basics
import Imaging

/// A case on the network's grid, and what is needed to go back.
public struct PreparedCase: Sendable {
  public let identifier: String
  /// Network input, (C, Z, Y, X) in the network's frame.
  public var voxels: Volume<Float>
  public let record: PreparationRecord
  public var warnings: [String]

  public init(identifier: String, voxels: Volume<Float>, record: PreparationRecord, warnings: [String] = []) {
    self.identifier = identifier
    self.voxels = voxels
    self.record = record
    self.warnings = warnings
  }
}

/// What was done to an image on the way to the network's grid.
public struct PreparationRecord: Sendable {
  /// The image's own grid, file axis order.
  public let originalShape: Shape3D
  /// In file axis order, mm.
  public let originalSpacing: Vector3D
  public let geometry: SourceGeometry
  /// The following are in the network's frame, that is, transposed.
  public let shapeBeforeCropping: Shape3D
  public let cropBox: Box3D
  /// The spacing of the image, in mm.
  public let spacing: Vector3D
  /// The spacing of the network's grid, in mm.
  public let networkSpacing: Vector3D
  /// The network's grid.
  public let networkShape: Shape3D
}

/// An image transposed and cropped to what is not zero: the part of preparation that does not depend on the model, but for
/// the order of axes.
public struct CroppedCase: Sendable {
  /// (C, Z, Y, X) in the network's frame.
  var voxels: Volume<Float>
  let originalShape: Shape3D
  let originalSpacing: Vector3D
  let geometry: SourceGeometry
  let shapeBeforeCropping: Shape3D
  let cropBox: Box3D
  let spacing: Vector3D
  let warnings: [String]
}

/// Brings images to the network's grid: transpose, crop, normalise, resample (nnU-Net's DefaultPreprocessor).
public struct CasePreparation: Sendable {
  private let plans: Plans
  private let configuration: Configuration
  private let dataset: DatasetDescription
  private let legacy: LegacyConventions?

  public init(model: TrainedModel) {
    plans = model.plans
    configuration = model.configuration
    dataset = model.dataset
    legacy = model.legacy
  }

  /// Whether the crop made for another model's preparation serves this one.
  public func sharesCrop(with other: CasePreparation) -> Bool {
    plans.transposeForward == other.plans.transposeForward && dataset.channelCount == other.dataset.channelCount
  }

  /// Whether another model's preparation gives the same network input.
  public func isEquivalent(to other: CasePreparation) -> Bool {
    sharesCrop(with: other) && legacy == nil && other.legacy == nil && configuration.previousStage == nil
      && other.configuration.previousStage == nil
      && configuration.normalizations == other.configuration.normalizations
      && configuration.imageResampling == other.configuration.imageResampling
      && configuration.spacing == other.configuration.spacing
  }

  /// Prepares one case.
  ///
  /// - Parameter previousStage: the segmentation the first stage of a cascade made, on the image's own grid.
  /// - Throws: `badInput` when the image does not fit the model.
  public func prepare(
    _ image: consuming Image, identifier: String, previousStage: Volume<Float>? = nil
  ) throws -> PreparedCase {
    try prepare(crop(image), identifier: identifier, previousStage: previousStage)
  }

  /// Transposes an image and crops it. Throws `badInput` when the image does not fit the model.
  public func crop(_ image: consuming Image) throws -> CroppedCase {
    try Self.crop(image, transpose: plans.transposeForward, channels: dataset.channelCount)
  }

  /// Transposes an image and crops it. Throws `badInput` unless it has as many channels as are wanted.
  static func crop(_ image: consuming Image, transpose: [Int], channels: Int) throws -> CroppedCase {
    try check(image, channels: channels)
    let originalShape = image.voxels.shape
    let transposed = image.voxels.permuted(transpose)
    image.voxels = Volume(channels: 0, shape: Shape3D(0, 0, 0), elements: [])
    let box = NonzeroCrop.boundingBox(of: transposed)
    return CroppedCase(
      voxels: try transposed.cropped(to: box), originalShape: originalShape, originalSpacing: image.spacing,
      geometry: image.geometry, shapeBeforeCropping: transposed.shape, cropBox: box,
      spacing: image.spacing.permuted(transpose), warnings: image.warnings)
  }

  /// Prepares a case whose crop is known. Parameters and errors as above.
  public func prepare(
    _ cropped: consuming CroppedCase, identifier: String, previousStage: Volume<Float>? = nil
  ) throws -> PreparedCase {
    let record = try Self.record(of: cropped, for: configuration)
    let warnings = cropped.warnings
    var voxels = cropped.voxels
    // Unless the caller keeps the crop for another model, its voxels are normalised in place.
    cropped.voxels = Volume(channels: 0, shape: Shape3D(0, 0, 0), elements: [])
    if let legacy {
      let mask = legacy.usesMask ? NonzeroCrop.filledMask(of: voxels) : nil
      var resampled = try legacy.prepare(voxels, mask: mask, record: record, configuration: configuration)
      if let previousStage {
        let labels = try LegacyConventions.previousStage(
          previousStage, record: record, transpose: plans.transposeForward)
        resampled = resampled.appending(foregroundChannels(labels))
      }
      return PreparedCase(identifier: identifier, voxels: resampled, record: record, warnings: warnings)
    }
    let needsMask =
      previousStage != nil || configuration.normalizations.prefix(voxels.channels).contains(.zScore(masked: true))
    let mask = needsMask ? NonzeroCrop.filledMask(of: voxels) : nil
    for channel in 0..<voxels.channels {
      try configuration.normalizations[channel].apply(to: &voxels, channel: channel, mask: mask)
    }
    var resampled = try configuration.imageResampling.resample(
      voxels, to: record.networkShape, from: record.spacing, to: record.networkSpacing)
    if let previousStage {
      resampled = resampled.appending(try segmentationChannels(previousStage, mask: mask, record: record))
    }
    return PreparedCase(identifier: identifier, voxels: resampled, record: record, warnings: warnings)
  }

  /// Where a crop lies, and the grid it gets in a configuration.
  static func record(
    of cropped: borrowing CroppedCase, for configuration: Configuration
  ) throws -> PreparationRecord {
    let networkSpacing = configuration.targetSpacing(for: cropped.spacing)
    return PreparationRecord(
      originalShape: cropped.originalShape, originalSpacing: cropped.originalSpacing, geometry: cropped.geometry,
      shapeBeforeCropping: cropped.shapeBeforeCropping, cropBox: cropped.cropBox, spacing: cropped.spacing,
      networkSpacing: networkSpacing,
      networkShape: try networkShape(
        of: cropped.cropBox.shape, spacing: cropped.spacing, networkSpacing: networkSpacing))
  }

  private static func check(_ image: borrowing Image, channels: Int) throws {
    guard image.voxels.channels == channels else {
      throw Failure(
        .badInput, "the case has \(image.voxels.channels) channel(s); the model wants \(channels)",
        hint: "channels are files named <case>_0000, <case>_0001, ...")
    }
    guard image.voxels.shape.count > 0 else { throw Failure(.badInput, "the image is empty (\(image.voxels.shape))") }
    guard image.spacing.axes.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw Failure(.badInput, "the voxel spacing \(image.spacing) is not positive")
    }
  }

  /// The largest network grid that is taken for real, in voxels.
  static let voxelLimit = 1 << 32

  private static func networkShape(of shape: Shape3D, spacing: Vector3D, networkSpacing: Vector3D) throws -> Shape3D {
    let target = try shape.resampled(from: spacing, to: networkSpacing)
    guard Double(target.z) * Double(target.y) * Double(target.x) < Double(voxelLimit) else {
      throw Failure(
        .badInput, "the image would have \(target) voxels at the network's spacing of \(networkSpacing) mm",
        hint: "check the voxel spacing in the file's header")
    }
    return target
  }

  /// The previous stage's segmentation as one channel per foreground label on the network's grid.
  private func segmentationChannels(
    _ segmentation: Volume<Float>, mask: Volume<UInt8>?, record: PreparationRecord
  ) throws -> Volume<Float> {
    let networkShape = record.networkShape
    var labels = try segmentation.permuted(plans.transposeForward).cropped(to: record.cropBox)
    if let mask {
      for index in labels.elements.indices where labels.elements[index] == 0 && mask.elements[index] == 0 {
        labels.elements[index] = -1
      }
    }
    let whole = Volume<Int16>(
      shape: labels.shape, elements: labels.elements.map { Int16(exactly: $0.rounded(.towardZero)) ?? -1 })
    let resampled = try configuration.segmentationResampling.resample(
      labels: whole, to: networkShape, from: record.spacing, to: record.networkSpacing)
    return foregroundChannels(resampled)
  }

  /// One channel per foreground label: 1 where it is, else 0.
  private func foregroundChannels(_ labels: Volume<Int16>) -> Volume<Float> {
    let foreground = dataset.labels.foregroundLabels
    let count = labels.shape.count
    return Volume(channels: foreground.count, shape: labels.shape) { target in
      for (channel, label) in foreground.enumerated() {
        let plane = UnsafeMutableBufferPointer(rebasing: target[channel * count..<(channel + 1) * count])
        for index in plane.indices { plane[index] = Int(labels.elements[index]) == label ? 1 : 0 }
      }
    }
  }
}

extension Volume where Element == Float {
  /// The channels of both, which have the same shape.
  fileprivate func appending(_ other: Volume<Float>) -> Volume<Float> {
    Volume(channels: channels + other.channels, shape: shape, elements: elements + other.elements)
  }
}
