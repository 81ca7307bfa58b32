import Basics
import Imaging

/// One configuration of a plans file (`2d`, `3d_fullres`, ...), with what it inherits.
public struct Configuration: Sendable {
  public let name: String
  /// 3 entries (Z, Y, X) or 2 (Y, X), in the network's frame.
  public let patchSize: [Int]
  /// The network's voxel spacing in mm, as many entries as the patch size.
  public let spacing: [Double]
  /// One per image channel.
  public let normalizations: [Normalization]
  public let imageResampling: ResamplingScheme
  public let segmentationResampling: ResamplingScheme
  public let probabilityResampling: ResamplingScheme
  /// The configuration whose segmentation is an input of this one (a cascade), or nil.
  public let previousStage: String?
  /// All keys, inherited ones included; the network's description is read from here.
  public let json: JSON

  /// Whether the network works slice by slice.
  public var isPlanar: Bool { patchSize.count == 2 }

  init(name: String, json: JSONObject, plans: Plans) throws {
    self.name = name
    self.json = .object(json)
    func broken(_ what: String) -> Failure { Failure(.badInput, "configuration \"\(name)\": \(what)") }

    if let preprocessor = json["preprocessor_name"]?.string, preprocessor != "DefaultPreprocessor" {
      throw broken("it is prepared by \"\(preprocessor)\"; only DefaultPreprocessor is supported")
    }
    guard let patchSize = json["patch_size"]?.ints, (2...3).contains(patchSize.count),
      patchSize.allSatisfy({ (1...4096).contains($0) })
    else { throw broken("\"patch_size\" is not a list of two or three sizes") }
    guard let spacing = json["spacing"]?.doubles, spacing.count == patchSize.count,
      spacing.allSatisfy({ $0 > 0 && $0.isFinite })
    else { throw broken("\"spacing\" does not have one positive number per axis of the patch") }
    guard patchSize.reduce(1, *) <= 1 << 28 else {
      let size = patchSize.map(String.init).joined(separator: "x")
      throw broken("the patch of \(size) voxels is too large for any memory")
    }
    self.patchSize = patchSize
    self.spacing = spacing
    normalizations = try Self.normalizations(json, plans: plans, broken)
    imageResampling = try ResamplingScheme(json, "resampling_fn_data", defaultOrder: 3)
    segmentationResampling = try ResamplingScheme(json, "resampling_fn_seg", defaultOrder: 1)
    probabilityResampling = try ResamplingScheme(json, "resampling_fn_probabilities", defaultOrder: 1)
    previousStage = json["previous_stage"]?.string
  }

  private static func normalizations(
    _ json: JSONObject, plans: Plans, _ broken: (String) -> Failure
  ) throws -> [Normalization] {
    guard let names = json["normalization_schemes"]?.strings, !names.isEmpty else {
      throw broken("\"normalization_schemes\" is missing")
    }
    let masks = json["use_mask_for_norm"]?.array?.map(\.bool) ?? []
    guard masks.count == names.count || masks.isEmpty, !masks.contains(nil) else {
      throw broken("\"use_mask_for_norm\" does not have one entry per channel")
    }
    return try names.enumerated().map { channel, name in
      switch name {
      case "CTNormalization":
        guard let properties = plans.intensities[channel] else {
          throw broken("channel \(channel) is normalised as CT, but the plans have no intensity properties for it")
        }
        return .ct(properties)
      case "ZScoreNormalization": return .zScore(masked: masks.isEmpty ? false : masks[channel] ?? false)
      case "NoNormalization": return .none
      case "RescaleTo01Normalization": return .rescale01
      case "RGBTo01Normalization": return .rgb01
      default:
        throw broken("the normalisation \"\(name)\" is not known")
      }
    }
  }

  /// The spacing (Z, Y, X) of the network's grid for an image of the given spacing (network's frame): a 2D network
  /// keeps the image's slice distance.
  public func targetSpacing(for image: Vector3D) -> Vector3D {
    isPlanar ? Vector3D(image.z, spacing[0], spacing[1]) : Vector3D(spacing[0], spacing[1], spacing[2])
  }
}

/// How images, segmentations or logits are brought from one grid to another.
public struct ResamplingScheme: Sendable, Equatable {
  public enum Method: Sendable, Equatable {
    /// `resample_data_or_seg_to_shape`: B-splines of the given order; `orderZ` along a separate axis.
    case spline(order: Interpolation, orderZ: Interpolation)
    /// `resample_torch_fornnunet`: linear, single precision, corners not aligned.
    case torch
    /// `no_resampling_hack`: the input as it is.
    case none
  }

  public let method: Method
  /// nil decides by anisotropy.
  public let forceSeparateZ: Bool?
  /// The ratio of spacings above which an axis is treated separately.
  public let anisotropyThreshold: Double
  /// Segmentations with the torch method: the variant that needs less memory and decides ties differently.
  public let isMemoryEfficient: Bool

  init(_ json: JSONObject, _ key: String, defaultOrder: Int) throws {
    let name = json[key]?.string ?? "resample_data_or_seg_to_shape"
    let arguments = json[key + "_kwargs"]
    forceSeparateZ = arguments?["force_separate_z"]?.bool
    anisotropyThreshold = arguments?["separate_z_anisotropy_threshold"]?.double ?? SeparateAxis.threshold
    isMemoryEfficient = arguments?["memefficient_seg_resampling"]?.bool ?? false
    switch name {
    case "resample_data_or_seg_to_shape":
      method = .spline(
        order: try Interpolation(order: arguments?["order"]?.int ?? defaultOrder),
        orderZ: try Interpolation(order: arguments?["order_z"]?.int ?? 0))
    case "resample_torch_fornnunet", "resample_torch_simple":
      if let mode = arguments?["mode"]?.string, mode != "linear" {
        throw Failure(.badInput, "\"\(key)\" asks for the interpolation \"\(mode)\"; only \"linear\" is supported")
      }
      method = .torch
    case "no_resampling_hack": method = .none
    default:
      throw Failure(
        .badInput, "\"\(key)\" names the function \"\(name)\", which is not known",
        hint: "known are resample_data_or_seg_to_shape, resample_torch_fornnunet, resample_torch_simple and "
          + "no_resampling_hack")
    }
  }
}
