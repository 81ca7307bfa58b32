import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Networks that an engine has compiled, kept in a folder for the next run.
///
/// A file holds what the engine wrote, and after it 64 bytes that tell whether the file is whole: a mark, the key and
/// a fingerprint of the content. A damaged file counts as none. Files appear under their names only when complete;
/// they are not forced to the disk, since a loss costs nothing but time. The least recently used ones go when the
/// folder grows beyond its limit.
struct CompiledNetworkCache {
  let folder: String
  /// In bytes.
  var limit = 2 << 30

  private static let suffix = ".compiled"
  private static let mark = Array("MTNETWK1".utf8)
  private static let trailerSize = 64

  /// The stored network under `key`, whole and unchanged; nil when there is none.
  func load(_ key: String) -> MappedFile? {
    let path = path(key)
    guard let file = try? MappedFile(path: path), file.bytes.count >= Self.trailerSize else { return nil }
    let content = Self.content(of: file)
    guard file.bytes[content.count...].elementsEqual(Self.trailer(key: key, content: content)) else {
      remove(key)
      return nil
    }
    // The time of the last use decides what goes first.
    utimes(path, nil)
    return file
  }

  /// What the engine wrote.
  static func content(of file: MappedFile) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[..<max(0, file.bytes.count - trailerSize)])
  }

  func remove(_ key: String) { unlink(path(key)) }

  /// Keeps what `write` writes to the file it is given the path of. Failures are ignored: the next run compiles again.
  func store(_ key: String, _ write: (String) throws -> Void) {
    do {
      try Path.makeFolder(folder)
      let scratch = try ScratchFolder(in: folder)
      try withExtendedLifetime(scratch) {
        let temporary = Path.join(scratch.path, key)
        try write(temporary)
        try seal(temporary, key: key)
        try Path.move(temporary, to: path(key))
      }
      prune(keeping: key)
    } catch {}
  }

  /// Appends the trailer.
  private func seal(_ path: String, key: String) throws {
    let trailer: [UInt8]
    do {
      let file = try MappedFile(path: path)
      trailer = Self.trailer(key: key, content: file.bytes)
    }
    guard let file = fopen(path, "a") else { throw Failure(.cannotWrite, systemMessage(), file: path) }
    let written = fwrite(trailer, 1, trailer.count, file)
    guard fclose(file) == 0, written == trailer.count else { throw Failure(.cannotWrite, systemMessage(), file: path) }
  }

  private func prune(keeping key: String) {
    var files: [(path: String, used: Int, size: Int)] = []
    for name in (try? Path.list(folder)) ?? [] {
      let path = Path.join(folder, name)
      var status = stat()
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      #if os(Linux)
        let used = status.st_mtim.tv_sec
      #else
        let used = status.st_mtimespec.tv_sec
      #endif
      if name.hasSuffix(Self.suffix) { files.append((path, used, Int(status.st_size))) }
    }
    var total = files.reduce(0) { $0 + $1.size }
    for file in files.sorted(by: { $0.used < $1.used }) where total > limit && file.path != path(key) {
      if unlink(file.path) == 0 { total -= file.size }
    }
  }

  private func path(_ key: String) -> String { Path.join(folder, key + Self.suffix) }

  private static func trailer(key: String, content: UnsafeRawBufferPointer) -> [UInt8] {
    var fingerprint = Fingerprint()
    fingerprint.add(key)
    fingerprint.add(content)
    let (high, low) = fingerprint.value
    var bytes = mark
    for word in [high, low, UInt64(content.count)] { withUnsafeBytes(of: word.littleEndian) { bytes += $0 } }
    bytes += Array(key.utf8.prefix(trailerSize - bytes.count))
    return bytes + [UInt8](repeating: 0, count: trailerSize - bytes.count)
  }
}
