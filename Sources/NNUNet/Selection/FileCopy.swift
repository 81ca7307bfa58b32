import Basics

/// Copies files whole or not at all.
enum FileCopy {
  /// Copies a file. Throws `missingInput` and `cannotWrite`.
  static func copy(_ source: String, to target: String) throws {
    let file = try MappedFile(path: source)
    let output = try AtomicFile(path: target)
    try withExtendedLifetime(file) { try output.write(file.bytes) }
    try output.commit()
  }

  /// Copies one file from a folder to another, under its name; does nothing where it is missing and need not be there.
  static func copy(_ name: String, from folder: String, to target: String, required: Bool = true) throws {
    let source = Path.join(folder, name)
    guard required || Path.isFile(source) else { return }
    try copy(source, to: Path.join(target, name))
  }
}
