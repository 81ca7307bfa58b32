import Basics
import Engines

/// How a trainer class of nnU-Net differs from the default one.
public struct TrainerVariant: Sendable, Equatable {
  /// The class's name.
  public var name: String
  public var epochs = 1000
  public var rate = 1e-2
  public var schedule = LearningRateSchedule.polynomial
  public var optimizer = Optimizer.nesterov(momentum: 0.99)
  public var mirroring = Mirroring.all
  /// What is done to training patches.
  public var augmentation = Augmentation.standard
  /// Whether strongly anisotropic patches are turned and scaled only in their planes.
  public var allowsPlanarAugmentation = true
  /// Labels are turned and scaled by taking the nearest voxel.
  public var nearestLabels = false
  /// So are images.
  public var nearestImages = false
  /// With which probability each label of a cascade's first stage is changed where any is.
  public var cascadeShare = 0.5
  public var entropy = SegmentationLoss.Entropy.mean
  public var usesDice = true
  public var smooth = 1e-5
  public var labelSmoothing: Float = 0
  public var deepSupervision = true
  public var batchNormalization = false
  public var sampling = ForegroundSampling.fixed(0.33)
  /// Nil for that of the plans.
  public var batchSize: Int?
  /// Whether only the speed of training is of interest: nothing is saved or validated.
  public var isBenchmark = false

  /// What is done to training patches.
  public enum Augmentation: Sendable, Equatable {
    case none, standard
    /// nnU-Net's "DA5": more of everything, and more kinds.
    case strong
  }

  public enum Mirroring: Sendable, Equatable {
    case none, all
    /// Only over the first two axes; the first of a two-dimensional patch.
    case firstTwo
  }

  /// Whether training patches are augmented at all.
  public var augments: Bool { augmentation != .none }

  /// One step of the optimiser.
  public func rule(rate: Double) -> GradientDescent { GradientDescent(rate: rate, optimizer: optimizer) }

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
    if name.contains("Primus") { return "its network is a transformer, and only U-Nets are built" }
    if name == "nnUNetTrainerBenchmark_5epochs_noDataLoading" { return "batches are always loaded" }
    return nil
  }

  /// Every variant there is, the default one first.
  public static let all: [TrainerVariant] =
    [TrainerVariant("nnUNetTrainer")] + lengths + augmentations + losses + optimizers + others

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
      $0.takeNearestLabels()
      $0.mirroring = .firstTwo
    },
    TrainerVariant("nnUNetTrainerNoDA") {
      $0.augmentation = .none
      $0.mirroring = .none
    },
    TrainerVariant("nnUNetTrainer_noDummy2DDA") { $0.allowsPlanarAugmentation = false },
    TrainerVariant("nnUNetTrainer_DASegOrd0") { $0.takeNearestLabels() },
    TrainerVariant("nnUNetTrainer_DASegOrd0_NoMirroring") {
      $0.takeNearestLabels()
      $0.mirroring = .none
    },
    TrainerVariant("nnUNetTrainerDA5") { $0.augmentStrongly() },
    TrainerVariant("nnUNetTrainerDA5ord0") {
      $0.augmentStrongly()
      $0.nearestImages = true
      $0.nearestLabels = true
    },
    TrainerVariant("nnUNetTrainerDA5Segord0") {
      $0.augmentStrongly()
      $0.nearestLabels = true
    },
    TrainerVariant("nnUNetTrainerDA5_10epochs") {
      $0.augmentStrongly()
      $0.epochs = 10
    },
    TrainerVariant("nnUNetTrainer_onlyMirror01_DA5") {
      $0.augmentStrongly()
      $0.mirroring = .firstTwo
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

  private static let optimizers = [
    adam("nnUNetTrainerAdam", isDecoupled: true), adam("nnUNetTrainerAdam1en3", isDecoupled: true, rate: 1e-3),
    adam("nnUNetTrainerAdam3en4", isDecoupled: true, rate: 3e-4), adam("nnUNetTrainerVanillaAdam"),
    adam("nnUNetTrainerVanillaAdam1en3", rate: 1e-3), adam("nnUNetTrainerVanillaAdam3en4", rate: 3e-4),
    adan("nnUNetTrainerAdan"), adan("nnUNetTrainerAdan1en3", rate: 1e-3), adan("nnUNetTrainerAdan3en4", rate: 3e-4),
    adan("nnUNetTrainerAdan1en1", rate: 1e-1), adan("nnUNetTrainerAdanCosAnneal", schedule: .cosineAnnealing),
  ]

  /// AdamW with AMSGrad, or plain Adam.
  private static func adam(_ name: String, isDecoupled: Bool = false, rate: Double = 1e-2) -> TrainerVariant {
    TrainerVariant(name) {
      var adam = Optimizer.Adam()
      adam.isDecoupled = isDecoupled
      adam.keepsLargest = isDecoupled
      $0.optimizer = .adam(adam)
      $0.rate = rate
    }
  }

  private static func adan(
    _ name: String, rate: Double = 1e-2, schedule: LearningRateSchedule = .polynomial
  ) -> TrainerVariant {
    TrainerVariant(name) {
      $0.optimizer = .adan(.init())
      $0.rate = rate
      $0.schedule = schedule
    }
  }

  private mutating func takeNearestLabels() {
    nearestLabels = true
    cascadeShare = 1
  }

  private mutating func augmentStrongly() {
    augmentation = .strong
    cascadeShare = 1
  }

  private static let others = [
    TrainerVariant("nnUNetTrainerCosAnneal") { $0.schedule = .cosineAnnealing },
    TrainerVariant("nnUNetTrainer_warmup") { $0.schedule = .warmUp(50) },
    TrainerVariant("nnUNetTrainerBN") { $0.batchNormalization = true },
    TrainerVariant("nnUNetTrainerNoDeepSupervision") { $0.deepSupervision = false },
    TrainerVariant("nnUNet_Trainer_BS8") { $0.batchSize = 8 },
    TrainerVariant("nnUNetTrainerBenchmark_5epochs") {
      $0.epochs = 5
      $0.isBenchmark = true
    },
  ]
}
