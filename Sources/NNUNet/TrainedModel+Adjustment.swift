import Basics
import Imaging
import Networks

/// What a user may change about how images are prepared for a model. What is nil stays as the plans say.
public struct ModelAdjustments: Sendable, Equatable {
  /// (Z, Y, X), or (Y, X) for networks of slices.
  public var patchSize: [Int]?
  /// Of the network's grid in mm, as many numbers as the patch has.
  public var spacing: [Double]?
  /// nnU-Net's names of normalisation schemes, one a channel.
  public var normalizations: [String]?
  /// The window (percentiles), mean and deviation of CT normalisation, for every channel.
  public var intensities: IntensityProperties?
  /// Whether the middle of a patch counts more than its rim where patches overlap.
  public var usesGaussian: Bool?

  public init() {}

  /// Whether everything stays as the plans say.
  public var isEmpty: Bool { self == ModelAdjustments() }
}

extension TrainedModel {
  /// The model with its preparation changed. Networks are the same.
  ///
  /// Throws `badInput` for changes that the network cannot take (a patch that it cannot halve often enough, or other than
  /// its file is made for), for what is no normalisation, and for models of nnU-Net v1, which are prepared otherwise.
  public func adjusted(by changes: ModelAdjustments) throws -> TrainedModel {
    guard !changes.isEmpty else { return self }
    guard !isLegacy else { throw Failure(.badInput, "the preparation of models of nnU-Net v1 cannot be changed") }
    let rank = configuration.patchSize.count
    for (what, count) in [("patch", changes.patchSize?.count), ("spacing", changes.spacing?.count)] {
      guard let count, count != rank else { continue }
      throw Failure(.badInput, "the \(what) has \(count) axes, but the network has \(rank)")
    }
    let channels = dataset.channelCount
    var schemes = changes.normalizations
    if changes.intensities != nil, schemes == nil {
      schemes = [String](repeating: "CTNormalization", count: channels)
    }
    var own = configuration.json.object ?? [:]
    own["inherits_from"] = nil
    if let patch = changes.patchSize { own["patch_size"] = .array(patch.map(JSON.int)) }
    if let spacing = changes.spacing { own["spacing"] = .array(spacing.map(JSON.double)) }
    if let schemes {
      guard schemes.count == channels else {
        throw Failure(.badInput, "\(schemes.count) normalisations for \(channels) channel(s)")
      }
      own["normalization_schemes"] = .array(schemes.map(JSON.string))
      own["use_mask_for_norm"] = .array(schemes.map { _ in .bool(false) })
    }
    var document = plans.json.object ?? [:]
    document["configurations"] = .object([configuration.name: .object(own)])
    if let known = changes.intensities {
      let properties = JSON.object([
        "mean": .double(Double(known.mean)), "std": .double(Double(known.standardDeviation)),
        "percentile_00_5": .double(Double(known.lowPercentile)),
        "percentile_99_5": .double(Double(known.highPercentile)),
      ])
      document["foreground_intensity_properties_per_channel"] = .object(
        JSONObject((0..<channels).map { ("\($0)", properties) }))
    }
    let plans = try Plans(json: .object(document))
    let configuration = try plans.configuration(configuration.name)
    for network in networks {
      _ = try network.graph.shapes(forInput: [1, inputChannelCount] + configuration.patchSize)
    }
    if let file {
      let sizes = try file.segmentationPorts().input.shape.dropFirst(2)
      for (axis, (size, wanted)) in zip(sizes, configuration.patchSize).enumerated() where size ?? wanted != wanted {
        throw Failure(
          .badInput, "the network is made for \(size ?? 0) voxels along axis \(axis), not \(wanted)", file: file.path,
          hint: "export it with --open-sizes, or leave the patch as it is")
      }
    }
    var model = TrainedModel(
      path: path, dataset: dataset, plans: plans, configuration: configuration, trainerName: trainerName,
      mirrorAxes: mirrorAxes, networks: networks, folds: folds)
    model.file = file
    model.step = step
    model.usesGaussian = changes.usesGaussian ?? usesGaussian
    return model
  }
}
