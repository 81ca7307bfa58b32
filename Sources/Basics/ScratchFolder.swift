#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A hidden folder for unfinished files, removed with everything in it when the object goes.
///
/// As long as the object lives, it holds a lock on the folder, which the system takes back however the process ends. The
/// first scratch folder that a process makes in a folder removes those that other processes have left there (`Leftovers`).
public final class ScratchFolder: Sendable {
  public let path: String
  private let descriptor: Int32

  /// Throws `cannotWrite` when it cannot be made in `parent`.
  public convenience init(in parent: String) throws {
    try self.init(in: parent) {
      Failure(.cannotWrite, "cannot hold a temporary folder: \($0)", file: parent)
    }
  }

  /// - Parameter failure: makes what is thrown of the system's message.
  init(in parent: String, _ failure: (String) -> Failure) throws {
    Leftovers.removeOnce(from: parent)
    for _ in 0..<100 {
      let path = Path.join(parent, Leftovers.newName(in: parent))
      guard mkdir(path, 0o777) == 0 else {
        if errno == EEXIST { continue }
        throw failure(systemMessage())
      }
      let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      if descriptor < 0, errno != ENOENT {
        let message = systemMessage()
        rmdir(path)
        throw failure(message)
      }
      // Before it was locked, another process may have taken it for a leftover.
      if descriptor >= 0, Self.lock(descriptor), Self.isFolder(descriptor, path) {
        (self.path, self.descriptor) = (path, descriptor)
        return
      }
      if descriptor >= 0 { close(descriptor) }
    }
    throw failure("other processes keep removing it")
  }

  deinit {
    Path.removeTree(path)
    close(descriptor)
  }

  /// Whether nobody else has the lock. Where the file system has no locks nobody removes anything either.
  private static func lock(_ descriptor: Int32) -> Bool {
    flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
  }

  private static func isFolder(_ descriptor: Int32, _ path: String) -> Bool {
    var (ours, named) = (stat(), stat())
    return fstat(descriptor, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino
  }

  /// Gives the folder a name beside it, in the place of what has the name now. Throws `cannotWrite`.
  public func replace(_ target: String) throws { try Path.replaceFolder(target, with: path) }
}
