#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension ScratchFolder {
  /// Gives the folder a name beside it, instead of what has the name now. Throws `cannotWrite`.
  public func replace(_ target: String) throws {
    chmod(path, 0o777 & ~Self.mask)
    Path.removeTree(target)
    guard rename(path, target) == 0 else {
      throw Failure(.cannotWrite, "cannot be put into place: \(systemMessage())", file: target)
    }
  }

  /// The permissions that new folders of this user do not get.
  private static let mask: mode_t = {
    let mask = umask(0)
    umask(mask)
    return mask
  }()
}
