#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A folder for intermediate files, removed with everything in it when the object goes.
public final class ScratchFolder {
  public let path: String

  /// Throws `cannotWrite` when it cannot be made in `parent`.
  public init(in parent: String) throws {
    var template = Array(Path.join(parent, ".partial-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
      throw Failure(.cannotWrite, "cannot hold a temporary folder: \(systemMessage())", file: parent)
    }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit { Path.removeTree(path) }
}
