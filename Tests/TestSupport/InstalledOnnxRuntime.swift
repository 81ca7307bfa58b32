import Engines
import Testing

/// The ONNX Runtime that this machine has, for tests that need it.
public enum InstalledOnnxRuntime {
  public static let engine: OnnxRuntimeEngine? =
    try? EngineRegistry().engine(named: "onnxruntime") as? OnnxRuntimeEngine
  public static let absence: Comment = "no ONNX Runtime was found; set MICROTOME_ONNXRUNTIME to its folder"

  public static func require() throws -> OnnxRuntimeEngine { try #require(engine, absence) }

  /// Every engine there is that runs ONNX files.
  public static let fileEngines: [any ModelFileEngine] =
    [InstalledOpenVINO.engine as (any ModelFileEngine)?, engine].compactMap { $0 }
}
