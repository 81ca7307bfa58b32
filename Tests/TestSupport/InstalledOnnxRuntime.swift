import Basics
import Engines
import Testing

/// The ONNX Runtime that this machine has, for tests that need it.
public enum InstalledOnnxRuntime {
  public static let engine: OnnxRuntimeEngine? =
    try? EngineRegistry().engine(named: "onnxruntime") as? OnnxRuntimeEngine
  public static let absence: Comment = "no ONNX Runtime was found; set MICROTOME_ONNXRUNTIME to its folder"

  public static func require() throws -> OnnxRuntimeEngine { try #require(engine, absence) }

  /// Whether TensorRT can be tried: the library knows it, and there is a processor of NVIDIA's.
  public static let hasTensorRT = engine?.devices.contains("TENSORRT") == true && Path.exists("/dev/nvidia0")

  /// An ONNX file of activations turned into one that wraps what a device runs, as far as can be seen without running it.
  public static func pretendPreparation(of path: String) throws {
    let (activation, wrapper) = (Array("LeakyRelu".utf8), Array("EPContext".utf8))
    var bytes = try Path.read(path)
    for place in bytes.indices.dropLast(activation.count - 1)
    where bytes[place] == activation[0] && bytes[place..<place + activation.count].elementsEqual(activation) {
      bytes.replaceSubrange(place..<place + activation.count, with: wrapper)
    }
    try AtomicFile.write(bytes, to: path)
  }

  /// Every engine there is that runs ONNX files.
  public static let fileEngines: [any ModelFileEngine] =
    [InstalledOpenVINO.engine as (any ModelFileEngine)?, engine].compactMap { $0 }
}
