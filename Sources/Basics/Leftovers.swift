import CSystem
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What processes that were killed had not finished writing: scratch folders that nobody holds a lock on any more.
///
/// Locks on folders are known to one kernel only. So a folder on a shared disk is left alone unless its name says that it
/// was made under this kernel and through the same mount; on a local disk every process is under this kernel.
public enum Leftovers {
  private static let prefix = ".partial-"
  private static let seen = Mutex<Set<String>>([])

  /// Removes leftovers from a folder in which other processes may be at work.
  public static func remove(from folder: String) { remove(from: folder) { mt_is_local_file_system($0) == 1 } }

  static func remove(from folder: String, isLocal: (Int32) -> Bool) {
    for name in (try? Path.list(folder)) ?? [] where name.hasPrefix(prefix) {
      let path = Path.join(folder, name)
      let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      let isOurs = origin(descriptor).map { name.hasPrefix(prefix + $0) } ?? false
      if isOurs || isLocal(descriptor), flock(descriptor, LOCK_EX | LOCK_NB) == 0 { Path.removeTree(path) }
    }
  }

  /// The same, the first time that this process asks for the folder.
  static func removeOnce(from folder: String) {
    if seen.withLock({ $0.insert(folder).inserted }) { remove(from: folder) }
  }

  /// A name for a scratch folder in `parent` that no other has: `.partial-ORIGIN-NUMBER`.
  static func newName(in parent: String) -> String {
    let descriptor = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    return "\(prefix)\(origin(descriptor) ?? "unknown")-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
  }

  /// A fingerprint of the running kernel and of the mount that an open folder is reached through; nil where that is not
  /// known.
  private static func origin(_ descriptor: Int32) -> String? {
    var status = stat()
    guard let boot = Host.boot, descriptor >= 0, fstat(descriptor, &status) == 0 else { return nil }
    var fingerprint = Fingerprint()
    fingerprint.add("\(boot) \(status.st_dev)")
    return String(fingerprint.hexadecimal.prefix(12))
  }
}
