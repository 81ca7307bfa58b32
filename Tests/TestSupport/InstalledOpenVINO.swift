import Engines
import Testing

/// The OpenVINO that this machine has, for tests that need it.
public enum InstalledOpenVINO {
  public static let engine: OpenVINOEngine? = try? EngineRegistry().engine(named: "openvino") as? OpenVINOEngine
  public static let absence: Comment = "no OpenVINO was found; set MICROTOME_OPENVINO to its folder"

  public static func require() throws -> OpenVINOEngine { try #require(engine, absence) }
}
