import Basics

/// A file that `torch.save` has written: the ZIP container of PyTorch 1.6 and later, or the older one.
///
/// Tensors are views of the mapped file; no weight is read before it is used.
public enum TorchFile {
  /// The value that was saved.
  ///
  /// Throws `missingInput`; `badInput` for anything damaged, dangerous or not from PyTorch.
  public static func read(_ path: String) throws -> PickleValue {
    try read(MappedFile(path: path))
  }

  /// The value that was saved in a mapped file. Throws `badInput`.
  public static func read(_ file: MappedFile) throws -> PickleValue {
    // The readers look at the bytes through plain pointers.
    defer { withExtendedLifetime(file) {} }
    return try locating(file.path) {
      if ZipArchive.hasMagic(file.bytes) { return try TorchArchive(file).value() }
      if TorchLegacyFile.hasMagic(file.bytes) { return try TorchLegacyFile(file: file).value() }
      throw notFromTorch(file.bytes)
    }
  }

  /// What a file that is neither container seems to be.
  private static func notFromTorch(_ bytes: UnsafeRawBufferPointer) -> Failure {
    let what =
      if bytes.isEmpty {
        "is empty"
      } else if bytes.starts(with: Array("version https://git-lfs".utf8)) {
        "is only a Git LFS pointer, not the file itself"
      } else if bytes.first == UInt8(ascii: "<") {
        "is a web page, not a checkpoint"
      } else if bytes.starts(with: Array("././@PaxHeader".utf8))
        || bytes.count > 262
          && bytes[257..<262].elementsEqual("ustar".utf8)
      {
        "is a tar archive, as PyTorch wrote before version 0.2, or a packed folder"
      } else {
        "is not a PyTorch checkpoint"
      }
    return Failure(.badInput, what, hint: "expected a file written by torch.save, such as checkpoint_final.pth")
  }
}

/// The ZIP container: `NAME/data.pkl` and one stored member `NAME/data/KEY` for each storage.
struct TorchArchive {
  let archive: ZipArchive
  /// `NAME/`, whatever the file is called now.
  let folder: String
  private let pickle: ZipArchive.Member

  init(_ file: MappedFile) throws {
    archive = try ZipArchive(file: file)
    let candidates = archive.members.filter { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }
    guard let pickle = candidates.min(by: { $0.name.utf8.count < $1.name.utf8.count }) else {
      throw Failure(
        .badInput, "is a ZIP archive, but not a PyTorch checkpoint (it has no data.pkl)",
        hint: Self.hint(for: archive))
    }
    self.pickle = pickle
    folder = String(pickle.name.dropLast("data.pkl".count))
  }

  func value() throws -> PickleValue {
    if let order = archive.member(named: folder + "byteorder") {
      let text = String(decoding: try archive.contents(of: order, maximum: 64), as: UTF8.self)
      guard text == "little" else {
        throw Failure(
          .badInput, "was written on a machine with another byte order (\(text.prefix(16)))",
          hint: "load and save it again with PyTorch on an ordinary PC")
      }
    }
    let stream = try archive.contents(of: pickle, maximum: PickleFile.maximumSize)
    var found: [String: TensorStorage] = [:]
    return try stream.withUnsafeBytes { bytes in
      let machine = PickleMachine(bytes, allowsStorages: true)
      return try machine.value(of: machine.run()) { reference in
        if let storage = found[reference.key], reference.byteCount ?? .max <= storage.bytes.count { return storage }
        let storage = try storage(of: reference)
        found[reference.key] = storage
        return storage
      }
    }
  }

  private func storage(of reference: StorageReference) throws -> TensorStorage {
    guard let needed = reference.byteCount, let member = archive.member(named: folder + "data/" + reference.key) else {
      throw Failure(.badInput, "lacks the tensor data \(reference.key)")
    }
    guard needed <= member.size else {
      throw Failure(
        .badInput, "its member \(member.name) holds \(member.size) bytes where \(needed) are needed",
        hint: "the file is damaged; download or copy it again")
    }
    return try archive.storage(of: member)
  }

  private static func hint(for archive: ZipArchive) -> String {
    archive.members.contains { $0.name.hasSuffix("plans.json") || $0.name.hasSuffix("plans.pkl") }
      ? "this is a packed nnU-Net model; install it first" : "expected a file written by torch.save"
  }
}
