import Engines
import Testing

/// The PyTorch that this machine has, for tests that need it.
public enum InstalledTorch {
  public static let engine: TorchEngine? = try? EngineRegistry().engine(named: "torch") as? TorchEngine
  public static let absence: Comment =
    "no PyTorch of version 2.10 or later was found; set MICROTOME_TORCH to its folder"

  /// The name of a graphics processor that this PyTorch can use.
  public static let graphicsProcessor = engine?.devices.first { $0.hasPrefix("CUDA") }
  public static let noGraphicsProcessor: Comment = "there is no graphics processor of NVIDIA's, or no PyTorch for one"

  public static func require() throws -> TorchEngine { try #require(engine, absence) }
}
