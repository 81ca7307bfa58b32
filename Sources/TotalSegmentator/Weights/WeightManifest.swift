import Basics

/// What a dataset's files were when they were installed, so that later damage is noticed: `.microtome.json` beside them.
struct WeightManifest: Equatable {
  struct Entry: Equatable {
    var size: Int
    var sha256: String
  }

  /// By their paths in the dataset's folder.
  var files: [String: Entry] = [:]

  static func path(in dataset: String) -> String { Path.join(dataset, ".microtome.json") }

  /// Reads and hashes every file below `folder`. Throws `missingInput`, and `interrupted` when the user asks to stop.
  init(of folder: String) throws {
    for name in try Self.names(in: folder) {
      if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
      files[name] = try Self.entry(Path.join(folder, name))
    }
  }

  private init(files: [String: Entry]) { self.files = files }

  /// The manifest of an installed dataset; nil when it was put there by other means. Throws `badInput`.
  static func read(in dataset: String) throws -> WeightManifest? {
    let path = path(in: dataset)
    guard Path.exists(path) else { return nil }
    let json = try JSON.read(path)
    guard let members = json["files"]?.object?.members else {
      throw Failure(.badInput, "is not a list of files", file: path, hint: "remove it, or install the weights again")
    }
    var files: [String: Entry] = [:]
    for (name, value) in members {
      guard let size = value["size"]?.int, let sha256 = value["sha256"]?.string else {
        throw Failure(.badInput, "does not say what \(name) was", file: path, hint: "install the weights again")
      }
      files[name] = Entry(size: size, sha256: sha256)
    }
    return WeightManifest(files: files)
  }

  /// Writes it into the dataset's folder. Throws `cannotWrite`.
  func write(in dataset: String) throws {
    var list = JSONObject()
    for (name, entry) in files.sorted(by: { $0.key < $1.key }) {
      list[name] = .object(["size": .int(entry.size), "sha256": .string(entry.sha256)])
    }
    let document = JSON.object(["format": .int(1), "files": .object(list)])
    try AtomicFile.write(Array((document.text(indent: 2) + "\n").utf8), to: Self.path(in: dataset))
  }

  /// What has changed since in a file or folder of the dataset, as sentences. Throws `interrupted`.
  func differences(in dataset: String, at place: String) throws -> [String] {
    var found: [String] = []
    for (name, expected) in files.sorted(by: { $0.key < $1.key }) {
      guard name == place || name.hasPrefix(place + "/") else { continue }
      if Interruption.isRequested { throw Failure(.interrupted, "stopped by the user") }
      let path = Path.join(dataset, name)
      guard let now = try? Self.entry(path) else {
        found.append("\(name) is missing")
        continue
      }
      if now.size != expected.size {
        found.append("\(name) has \(now.size) bytes, \(expected.size) were installed")
      } else if now.sha256 != expected.sha256 {
        found.append("\(name) is damaged: its SHA-256 is not that of the file that was installed")
      }
    }
    return found
  }

  private static func entry(_ path: String) throws -> Entry {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) { Entry(size: file.bytes.count, sha256: SHA256.hexadecimal(file.bytes)) }
  }

  private static func names(in folder: String) throws -> [String] {
    try Path.list(folder).flatMap { name -> [String] in
      if name.hasPrefix(".") { return [] }
      let path = Path.join(folder, name)
      return Path.isFolder(path) ? try names(in: path).map { Path.join(name, $0) } : [name]
    }
  }
}
