import Basics
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Real scans, models and reference outputs that live outside the repository.
///
/// `MICROTOME_SHARED` overrides the folder, which holds `data/` and `spec/`. Tests that need it are written
/// `@Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))`.
public enum ReferenceData {
  /// The folder with `data/` and `spec/`.
  public static let folder: String = {
    if let override = getenv("MICROTOME_SHARED") { return String(cString: override) }
    return repositoryFolder + "/../shared"
  }()

  public static let isPresent = Path.isFolder(folder + "/data")

  public static let absence: Comment = "the reference data is absent; set MICROTOME_SHARED to its folder"

  /// A path below `data/`.
  public static func data(_ path: String) -> String { folder + "/data/" + path }

  /// A path below `spec/vectors/`.
  public static func vectors(_ path: String) -> String { folder + "/spec/vectors/" + path }

  /// The root of this checkout.
  public static let repositoryFolder: String = {
    var path = #filePath
    for _ in 0..<3 { path = Path.split(path).folder }
    return path
  }()
}

/// A fresh folder for one test, removed when the object goes.
public final class TemporaryFolder {
  public let path: String

  public init() throws {
    var template = Array("/tmp/microtome-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure(.cannotWrite, systemMessage(), file: "/tmp") }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  public func callAsFunction(_ name: String) -> String { Path.join(path, name) }

  deinit { Path.removeTree(path) }
}
