#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that one process at a time has to itself, through a lock that the system takes back however the process ends.
public enum LockedFile {
  public enum State: Equatable, Sendable {
    case locked
    /// Another process has it.
    case taken
    /// The file system has no locks.
    case unsupported(reason: String)
  }

  /// Opens or creates a file, to read and to write, and tries to lock it. The lock lasts until the descriptor is closed.
  ///
  /// The file may be renamed or removed by whoever has the lock. Throws `cannotWrite`.
  public static func open(_ path: String) throws -> (descriptor: Int32, state: State) {
    while true {
      let descriptor = _open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else {
        throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
      }
      let state = lock(descriptor, LOCK_EX)
      guard state == .locked else { return (descriptor, state) }
      // Another process may have moved the file away between our opening and our locking it.
      var (ours, named) = (stat(), stat())
      if fstat(descriptor, &ours) == 0, stat(path, &named) == 0, ours.st_ino == named.st_ino {
        return (descriptor, state)
      }
      close(descriptor)
    }
  }

  static func lock(_ descriptor: Int32, _ kind: Int32) -> State {
    repeat {
      if flock(descriptor, kind | LOCK_NB) == 0 { return .locked }
    } while errno == EINTR
    return errno == EWOULDBLOCK ? .taken : .unsupported(reason: systemMessage())
  }
}

/// A folder that one process at a time writes to, through a lock on a hidden file in it.
///
/// The file names the process and is removed in the end. One that a killed process has left is in nobody's way.
public final class FolderLock {
  public static let fileName = ".microtome.lock"

  public let folder: String
  /// Why the folder is not locked although nobody else has it; nil where it is.
  public let weakness: String?
  private var descriptor: Int32
  /// Folders that did not exist before, outermost first.
  private let made: [String]

  /// Locks a folder, which is created with its parents if need be.
  ///
  /// Throws `cannotWrite`, also when another process has the lock.
  public init(_ folder: String) throws {
    self.folder = folder
    made = Self.missing(folder)
    try Path.makeFolder(folder)
    let path = Path.join(folder, Self.fileName)
    var (file, state) = try LockedFile.open(path)
    // It may be `check` that has it for a moment.
    for _ in 0..<10 where state == .taken {
      close(file)
      usleep(10_000)
      (file, state) = try LockedFile.open(path)
    }
    descriptor = file
    switch state {
    case .locked: weakness = nil
    case .unsupported(let reason): weakness = reason
    case .taken:
      defer { close(file) }
      throw Self.failure(folder, file)
    }
    let text = Array("\(getpid()) \(Host.name)\n".utf8)
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
  }

  deinit { release() }

  /// Gives the lock up, and removes the folders that were made for it if nothing else came into them.
  public func release() {
    guard descriptor >= 0 else { return }
    // While the lock is still ours: afterwards it could be another process's file.
    unlink(Path.join(folder, Self.fileName))
    close(descriptor)
    descriptor = -1
    Path.removeEmptyFolders(made)
  }

  /// Throws `cannotWrite` when another process has the lock of a folder, which need not exist.
  public static func check(_ folder: String) throws {
    let file = _open(Path.join(folder, fileName), O_RDONLY | O_CLOEXEC, 0)
    guard file >= 0 else { return }
    defer { close(file) }
    if LockedFile.lock(file, LOCK_SH) == .taken { throw failure(folder, file) }
  }

  private static func missing(_ folder: String) -> [String] {
    guard !Path.exists(folder) else { return [] }
    let parent = Path.split(folder).folder
    return missing(parent) + [folder]
  }

  private static func failure(_ folder: String, _ file: Int32) -> Failure {
    var bytes = [UInt8](repeating: 0, count: 300)
    let count = pread(file, &bytes, bytes.count, 0)
    let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(whereSeparator: \.isWhitespace)
    var holder = ""
    if words.count == 2, Int(words[0]) != nil {
      holder = " (\(words[0])\(words[1] == Host.name ? "" : " on \(words[1])"))"
    }
    return Failure(
      .cannotWrite, "another process\(holder) is at work in this folder", file: folder,
      hint: "wait for it to end, or stop it first")
  }
}

private func _open(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
  #if canImport(Glibc)
    Glibc.open(path, flags, mode)
  #else
    Darwin.open(path, flags, mode)
  #endif
}
