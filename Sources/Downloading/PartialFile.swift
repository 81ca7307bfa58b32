import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What has arrived of a file so far, `NAME.partial`, with a note of what it is a part of, `NAME.partial.json`.
///
/// Unlike an `AtomicFile` it stays when the process ends, so that a later one can go on.
final class PartialFile {
  /// What the bytes are a part of.
  struct Origin: Equatable {
    var url: String
    /// The server's `ETag`; nil when it gave none that can be used to ask for the rest.
    var tag: String?
    /// The size of the whole file, when the server said it.
    var total: Int?
  }

  let destination: String
  var path: String { destination + ".partial" }
  private var notePath: String { path + ".json" }
  private let descriptor: Int32
  private(set) var count: Int
  /// nil when the bytes that are there belong to something unknown.
  private(set) var origin: Origin?

  /// Opens or creates the partial file for `destination`.
  ///
  /// Throws `cannotWrite`, also when another process is writing to it.
  init(for destination: String) throws {
    self.destination = destination
    let path = destination + ".partial"
    let (descriptor, state) = try LockedFile.open(path)
    guard state != .taken else {
      close(descriptor)
      throw Failure(.cannotWrite, "another process is downloading to it", file: path, hint: "wait for it to end")
    }
    self.descriptor = descriptor
    let end = lseek(descriptor, 0, SEEK_END)
    count = end > 0 ? Int(end) : 0
    if count > 0, let note = try? JSON.read(path + ".json"), let url = note["url"]?.string {
      origin = Origin(url: url, tag: note["tag"]?.string, total: note["total"]?.int)
    }
  }

  /// Appends bytes. Throws `cannotWrite`.
  func append(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while let base = rest.baseAddress, !rest.isEmpty {
      let written = write(descriptor, base, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
      }
      count += written
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// Forgets what is there and begins anew, as a part of `origin`. Throws `cannotWrite`.
  func restart(as origin: Origin?) throws {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
    }
    count = 0
    self.origin = origin
    unlink(notePath)
    guard let origin else { return }
    var note: JSONObject = ["url": .string(origin.url)]
    note["tag"] = origin.tag.map(JSON.string)
    note["total"] = origin.total.map(JSON.int)
    try AtomicFile.write(Array(JSON.object(note).text().utf8), to: notePath)
  }

  /// Gives the file its name. Throws `cannotWrite`.
  func commit() throws {
    guard fsync(descriptor) == 0, rename(path, destination) == 0 else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: destination)
    }
    unlink(notePath)
  }

  /// Removes the file and its note.
  func discard() {
    unlink(path)
    unlink(notePath)
  }

  deinit {
    close(descriptor)
    if count == 0, let status = try? Path.read(path), status.isEmpty { discard() }
  }
}
