import CSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A read-only memory mapping of a whole file; unmapped when the last reference goes.
///
/// The bytes stay valid as long as this object lives; hold on to it beside any pointer into it.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  public let bytes: UnsafeRawBufferPointer

  /// Maps the file at `path`. Throws `missingInput` when it cannot be opened, and when it is a folder.
  public init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw Failure(.missingInput, "cannot be opened: \(systemMessage())", file: path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw Failure(.missingInput, "cannot be examined: \(systemMessage())", file: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.missingInput, "is not a regular file", file: path)
    }
    let size = Int(status.st_size)
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw Failure(.missingInput, "cannot be mapped into memory: \(systemMessage())", file: path)
    }
    bytes = UnsafeRawBufferPointer(start: address, count: size)
  }

  /// Gives back the memory of the pages that have been touched; what is still needed comes back from the file.
  public func releasePages() {
    guard let address = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: address), bytes.count, MADV_DONTNEED)
  }

  deinit {
    if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
  }
}

/// A file that appears under its final name only when it is complete.
///
/// Bytes go to a scratch folder beside it; `commit` flushes them to the disk and renames. If the writer goes away before
/// `commit`, nothing stays; if the process is killed, the next one that writes to the folder removes what stays. Where the
/// name is a symbolic link, the link stays and the file that it leads to is replaced.
public final class AtomicFile {
  public let path: String
  /// The open descriptor of the unfinished file, for callers that write through a library.
  public private(set) var descriptor: Int32
  private var scratch: ScratchFolder?
  private let unfinished: String
  /// `path`, or what it is a link to.
  private let target: String
  private let flushes: Bool

  /// Creates the unfinished file. Throws `cannotWrite` when the folder is missing or not writable.
  ///
  /// - Parameter flushes: whether `commit` waits for the disk. Many files of a folder that gets its own name in the end
  ///   are better flushed together, by `Path.flush`.
  public init(path: String, flushes: Bool = true) throws {
    self.path = path
    self.flushes = flushes
    target = Path.followingLinks(path)
    let (folder, name) = Path.split(target)
    let failure = { (reason: String) in Failure(.cannotWrite, "cannot be written: \(reason)", file: path) }
    let scratch = try ScratchFolder(in: folder, failure)
    self.scratch = scratch
    unfinished = Path.join(scratch.path, name)
    descriptor = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure(systemMessage()) }
  }

  /// Appends `bytes`. Throws `cannotWrite` (disk full, quota, I/O error).
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while let base = rest.baseAddress, !rest.isEmpty {
      let written = _write(descriptor, base, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// Appends `bytes`. Throws `cannotWrite`.
  public func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  /// Flushes to the disk and gives the file its final name, replacing an older one in the same instant.
  public func commit() throws {
    guard !flushes || fsync(descriptor) == 0 else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
    }
    close(descriptor)
    descriptor = -1
    guard rename(unfinished, target) == 0 else {
      let reason = systemMessage()
      scratch = nil
      throw Failure(.cannotWrite, "cannot be written: \(reason)", file: path)
    }
    scratch = nil
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Writes a whole file atomically.
  public static func write(_ bytes: [UInt8], to path: String, flushes: Bool = true) throws {
    let file = try AtomicFile(path: path, flushes: flushes)
    try file.write(bytes)
    try file.commit()
  }
}

/// File names and folders, without Foundation.
public enum Path {
  /// `folder/name`; just `name` when `folder` is empty or ".".
  public static func join(_ folder: String, _ name: String) -> String {
    if folder.isEmpty || folder == "." { return name }
    return folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// The folder ("." when there is none) and the last component.
  public static func split(_ path: String) -> (folder: String, name: String) {
    var trimmed = Substring(path)
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return (".", String(trimmed)) }
    let folder = trimmed[..<slash]
    return (folder.isEmpty ? "/" : String(folder), String(trimmed[trimmed.index(after: slash)...]))
  }

  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  public static func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// When a file was last written, in seconds since 1970; nil when there is none.
  public static func modificationTime(_ path: String) -> Double? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Whether two paths lead to the same file or folder.
  public static func isSame(_ left: String, _ right: String) -> Bool {
    var (first, second) = (stat(), stat())
    return stat(left, &first) == 0 && stat(right, &second) == 0 && first.st_dev == second.st_dev
      && first.st_ino == second.st_ino
  }

  /// The names in a folder, in code point order, without "." and "..". Throws `missingInput`.
  public static func list(_ folder: String) throws -> [String] {
    guard let handle = opendir(folder) else {
      throw Failure(.missingInput, "cannot be listed: \(systemMessage())", file: folder)
    }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
  }

  /// Creates a folder and its missing parents. Throws `cannotWrite`.
  ///
  /// - Returns: the folders that were not there before, outermost first.
  @discardableResult
  public static func makeFolder(_ path: String) throws -> [String] {
    if isFolder(path) || path.isEmpty { return [] }
    if exists(path) { throw Failure(.cannotWrite, "is a file, not a folder", file: path) }
    let parent = split(path).folder
    let above = parent == path || parent == "." ? [] : try makeFolder(parent)
    if mkdir(path, 0o777) != 0 {
      // Looking whether another process was faster has an error of its own.
      let code = errno
      guard isFolder(path) else {
        throw Failure(.cannotWrite, "cannot be created: \(systemMessage(code))", file: path)
      }
    }
    return above + [path]
  }

  /// Removes those of some folders that are empty, the last one first: what `makeFolder` has made for nothing.
  public static func removeEmptyFolders(_ made: [String]) {
    for folder in made.reversed() where rmdir(folder) != 0 { break }
  }

  /// Removes a file, or a folder with everything in it, as far as that is possible; links are not followed.
  public static func removeTree(_ path: String) {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      for name in (try? list(path)) ?? [] { removeTree(join(path, name)) }
      rmdir(path)
    } else {
      unlink(path)
    }
  }

  /// Waits until everything below a folder is on the disk. Throws `cannotWrite`.
  public static func flush(_ folder: String) throws {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, mt_flush_file_system(descriptor) == 0 else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: folder)
    }
  }

  /// Puts a finished folder in the place of an older one, which is removed. Both lie in the same folder's file system.
  ///
  /// Where the system can exchange two names, there is a whole folder under `path` at any moment. Throws `cannotWrite`.
  public static func replaceFolder(_ path: String, with finished: String) throws {
    if mt_exchange_names(path, finished) == 0 {
      removeTree(finished)
      return
    }
    let old = finished + ".old"
    removeTree(old)
    if exists(path), rename(path, old) != 0 {
      throw Failure(.cannotWrite, "cannot be replaced: \(systemMessage())", file: path)
    }
    guard rename(finished, path) == 0 else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
    }
    removeTree(old)
  }

  /// Copies a file, atomically. Throws `missingInput` or `cannotWrite`.
  public static func copy(_ source: String, to target: String) throws {
    let file = try MappedFile(path: source)
    let output = try AtomicFile(path: target, flushes: false)
    try withExtendedLifetime(file) { try output.write(file.bytes) }
    try output.commit()
  }

  /// Gives a finished file its name, in the place of what has it now; both lie on the same file system. Where the name is a
  /// symbolic link, the file that it leads to is replaced. Throws `cannotWrite`.
  public static func move(_ source: String, to target: String) throws {
    if rename(source, followingLinks(target)) == 0 { return }
    let code = errno
    guard code == EXDEV else {
      throw Failure(.cannotWrite, "cannot be put into place: \(systemMessage(code))", file: target)
    }
    // A link may lead to another file system.
    try copy(source, to: target)
    unlink(source)
  }

  /// The whole content of a file. Throws `missingInput`.
  public static func read(_ path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) { Array(file.bytes) }
  }
}

/// The message for the current `errno`.
public func systemMessage() -> String { systemMessage(errno) }

/// The message for an error number.
public func systemMessage(_ number: Int32) -> String { String(cString: strerror(number)) }

private func _write(_ descriptor: Int32, _ base: UnsafeRawPointer, _ count: Int) -> Int {
  #if canImport(Glibc)
    Glibc.write(descriptor, base, count)
  #else
    Darwin.write(descriptor, base, count)
  #endif
}
