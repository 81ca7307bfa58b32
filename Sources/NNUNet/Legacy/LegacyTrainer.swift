import Basics
import Networks

/// What the name of an nnU-Net v1 trainer says about the network and its use, as far as neither weights nor plans do.
struct LegacyTrainer {
  let name: String

  /// Trainers that mirror over no axes.
  var mirrors: Bool {
    !["noMirroring", "nomirror", "NoDA", "noDataAugmentation"].contains { name.contains($0) }
  }

  /// Three sigmoid outputs: whole tumour, tumour core, enhancing tumour.
  var hasBraTSRegions: Bool { name.contains("BraTSRegions") }

  /// Networks whose operations cannot be told from their weights and that are not supported.
  private static let refused = ["_GN", "_GeLU", "_Mish", "_FRN", "ResencUNet", "ResencUnet", "_DDP_GN"]

  /// The network with the activation of the trainer. Throws `badInput` for trainers whose networks are not supported.
  func adapted(_ configuration: UNetConfiguration) throws -> UNetConfiguration {
    if let variant = Self.refused.first(where: name.contains) {
      throw Failure(
        .badInput, "the model was trained with \(name), whose network (\(variant)) is not supported",
        hint: "Generic_UNet with instance or batch normalisation and (leaky) ReLU is")
    }
    var configuration = configuration
    if name.contains("convReLUIN") || name.contains("convlReLUIN") { configuration.activationFirst = true }
    if name.contains("LReLU_slope_2en1") {
      configuration.slope = 0.2
    } else if name.contains("_ReLU") || name.contains("convReLUIN") {
      configuration.slope = 0
    }
    return configuration
  }
}
