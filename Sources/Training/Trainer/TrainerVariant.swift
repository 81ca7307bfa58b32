import Basics

/// How a trainer class of nnU-Net differs from the default one.
public struct TrainerVariant: Sendable, Equatable {
  /// The class's name.
  public var name: String
  public var epochs = 1000
  public var rate = 1e-2
  public var schedule = LearningRateSchedule.polynomial
  public var mirroring = Mirroring.all
  /// Whether training patches are augmented at all.
  public var augments = true
  /// Whether strongly anisotropic patches are turned and scaled only in their planes.
  public var allowsPlanarAugmentation = true
  /// Labels are turned and scaled by taking the nearest voxel.
  public var nearestLabels = false
  public var entropy = SegmentationLoss.Entropy.mean
  public var usesDice = true
  public var smooth = 1e-5
  public var labelSmoothing: Float = 0
  public var deepSupervision = true
  public var batchNormalization = false
  public var sampling = ForegroundSampling.fixed(0.33)

  public enum Mirroring: Sendable, Equatable {
    case none, all
    /// Only over the first two axes; the first of a two-dimensional patch.
    case firstTwo
  }

  init(_ name: String, _ change: (inout TrainerVariant) -> Void = { _ in }) {
    self.name = name
    change(&self)
  }

  /// The variant with this name. Throws `usage`, with what is known.
  public static func named(_ name: String) throws -> TrainerVariant {
    if let known = all.first(where: { $0.name == name }) { return known }
    let names = all.map(\.name)
    if let reason = unsupported(name) {
      throw Failure(.usage, "the trainer \(name) is not supported: \(reason)", hint: knownText(names))
    }
    let guess = Spelling.suggestion(for: name, in: names).map { $0 + " " } ?? ""
    throw Failure(.usage, "there is no trainer called \(name)", hint: guess + knownText(names))
  }

  private static func knownText(_ names: [String]) -> String { "known are \(names.joined(separator: ", "))" }

  /// Why a class that nnU-Net has is missing here; nil for classes it does not have.
  private static func unsupported(_ name: String) -> String? {
    if name.contains("DA5") { return "its augmentation is not implemented" }
    if name.contains("Adam") || name.contains("Adan") {
      return "networks are trained by stochastic gradient descent only"
    }
    if name.contains("Primus") || name.contains("Pretrained") { return "its network is not one of the U-Nets" }
    if name.contains("Benchmark") { return "it only measures the reference" }
    return nil
  }

  /// Every variant there is, the default one first.
  public static let all: [TrainerVariant] =
    [TrainerVariant("nnUNetTrainer")] + lengths + augmentations + losses + others

  private static let lengths =
    [1, 5, 10, 20, 50, 100, 250, 500, 750, 2000, 4000, 8000].map { count in
      TrainerVariant("nnUNetTrainer_\(count)epoch\(count == 1 ? "" : "s")") { $0.epochs = count }
    }
    + [250, 2000, 4000, 8000].map { count in
      TrainerVariant("nnUNetTrainer_\(count)epochs_NoMirroring") {
        $0.epochs = count
        $0.mirroring = .none
      }
    }

  private static let augmentations = [
    TrainerVariant("nnUNetTrainerNoMirroring") { $0.mirroring = .none },
    TrainerVariant("nnUNetTrainer_onlyMirror01") { $0.mirroring = .firstTwo },
    TrainerVariant("nnUNetTrainer_onlyMirror01_1500ep") {
      $0.mirroring = .firstTwo
      $0.epochs = 1500
    },
    TrainerVariant("nnUNetTrainer_onlyMirror01_DASegOrd0") {
      $0.mirroring = .firstTwo
      $0.nearestLabels = true
    },
    TrainerVariant("nnUNetTrainerNoDA") {
      $0.augments = false
      $0.mirroring = .none
    },
    TrainerVariant("nnUNetTrainer_noDummy2DDA") { $0.allowsPlanarAugmentation = false },
    TrainerVariant("nnUNetTrainer_DASegOrd0") { $0.nearestLabels = true },
    TrainerVariant("nnUNetTrainer_DASegOrd0_NoMirroring") {
      $0.nearestLabels = true
      $0.mirroring = .none
    },
    TrainerVariant("nnUNetTrainer_probabilisticOversampling") { $0.sampling = .random(nil) },
    TrainerVariant("nnUNetTrainer_probabilisticOversampling_033") { $0.sampling = .random(0.33) },
    TrainerVariant("nnUNetTrainer_probabilisticOversampling_010") { $0.sampling = .random(0.1) },
  ]

  private static let losses = [
    TrainerVariant("nnUNetTrainerCELoss") { $0.usesDice = false },
    TrainerVariant("nnUNetTrainerCELoss_5epochs") {
      $0.usesDice = false
      $0.epochs = 5
    },
    TrainerVariant("nnUNetTrainerDiceLoss") { $0.entropy = .none },
    TrainerVariant("nnUNetTrainerDiceCELoss_noSmooth") { $0.smooth = 0 },
    TrainerVariant("nnUNetTrainerTopk10Loss") {
      $0.usesDice = false
      $0.entropy = .largestTenth
    },
    TrainerVariant("nnUNetTrainerTopk10LossLS01") {
      $0.usesDice = false
      $0.entropy = .largestTenth
      $0.labelSmoothing = 0.1
    },
    TrainerVariant("nnUNetTrainerDiceTopK10Loss") { $0.entropy = .largestTenth },
  ]

  private static let others = [
    TrainerVariant("nnUNetTrainerCosAnneal") { $0.schedule = .cosineAnnealing },
    TrainerVariant("nnUNetTrainer_warmup") { $0.schedule = .warmUp(50) },
    TrainerVariant("nnUNetTrainerBN") { $0.batchNormalization = true },
    TrainerVariant("nnUNetTrainerNoDeepSupervision") { $0.deepSupervision = false },
  ]
}
