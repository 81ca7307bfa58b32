import Basics

/// What distinguishes nnU-Net's experiment planners from each other.
public struct PlannerPreset: Sendable, Equatable {
  /// The family of networks that is planned.
  public enum Architecture: Sendable, Equatable {
    /// `PlainConvUNet`
    case plain
    /// `ResidualEncoderUNet`
    case residual
  }

  /// How images and segmentations are resampled.
  public enum Resampling: Sendable, Equatable {
    /// B-splines; images that are anisotropic slice by slice.
    case spline
    /// PyTorch's linear interpolation, always along all axes.
    case torch
    /// PyTorch's linear interpolation; images that are anisotropic slice by slice.
    case torchSeparateZ
    /// Not at all.
    case none
  }

  /// The planner's name, as `-pl` takes it.
  public let name: String
  public let plansName: String
  public let architecture: Architecture
  public let resampling: Resampling
  /// The GPU memory in GB for which the references below hold.
  public let memory: Double
  /// The estimate (see `MemoryEstimate`) that fills that memory, for 3D and for 2D networks.
  public let reference3D: Double
  public let reference2D: Double
  /// The largest share of the dataset's voxels that one batch may hold.
  public let coverage: Double
  /// Whether 2d and 3d_fullres train on the data that the default planner's plans describe.
  public let sharesData: Bool

  private init(
    _ name: String, _ plansName: String, _ architecture: Architecture, memory: Double = 8, _ reference3D: Double,
    _ reference2D: Double, coverage: Double, sharesData: Bool = false, resampling: Resampling = .spline
  ) {
    self.name = name
    self.plansName = plansName
    self.architecture = architecture
    self.resampling = resampling
    self.memory = memory
    self.reference3D = reference3D
    self.reference2D = reference2D
    self.coverage = coverage
    self.sharesData = sharesData
  }

  /// Plain networks for 8 GB: what nnU-Net plans unless told otherwise.
  public static let standard = PlannerPreset(
    "ExperimentPlanner", "nnUNetPlans", .plain, 560_000_000, 85_000_000, coverage: 0.05)

  private static func residualL(_ suffix: String, _ resampling: Resampling) -> PlannerPreset {
    PlannerPreset(
      "nnUNetPlannerResEncL_\(suffix)", "nnUNetResEncUNetLPlans_\(suffix)", .residual, memory: 24, 2_100_000_000,
      380_000_000, coverage: 1, resampling: resampling)
  }

  /// All planners.
  public static let all = [
    standard,
    PlannerPreset(
      "ResEncUNetPlanner", "nnUNetResEncUNetPlans", .residual, 680_000_000, 135_000_000, coverage: 0.05,
      sharesData: true),
    PlannerPreset(
      "nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans", .residual, 680_000_000, 135_000_000, coverage: 1,
      sharesData: true),
    PlannerPreset(
      "nnUNetPlannerResEncL", "nnUNetResEncUNetLPlans", .residual, memory: 24, 2_100_000_000, 380_000_000, coverage: 1,
      sharesData: true),
    PlannerPreset(
      "nnUNetPlannerResEncXL", "nnUNetResEncUNetXLPlans", .residual, memory: 40, 3_600_000_000, 560_000_000,
      coverage: 1, sharesData: true),
    residualL("torchres", .torch),
    residualL("torchres_sepz", .torchSeparateZ),
    residualL("noResampling", .none),
    PlannerPreset(
      "nnUNetPlanner_torchres", "nnUNetPlans_torchres", .plain, 560_000_000, 85_000_000, coverage: 0.05,
      resampling: .torch),
  ]

  /// The planner of this name. Throws `usage` when there is none.
  public static func named(_ name: String) throws -> PlannerPreset {
    if let preset = all.first(where: { $0.name == name }) { return preset }
    let names = all.map(\.name)
    throw Failure(
      .usage, "there is no planner \"\(name)\"",
      hint: Spelling.suggestion(for: name, in: names) ?? "there are \(names.joined(separator: ", "))")
  }
}
