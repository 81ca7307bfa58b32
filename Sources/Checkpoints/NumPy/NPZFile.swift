import Basics

/// Several named NumPy arrays in one ZIP archive (`.npz`), such as nnU-Net's exported probabilities.
public struct NPZFile: Sendable {
  private let archive: ZipArchive

  /// Opens the file at `path`. Throws `missingInput`, and `badInput` when it is not such an archive.
  public init(path: String) throws { archive = try ZipArchive(path: path) }

  /// The names of the arrays, in file order.
  public var names: [String] {
    archive.members.compactMap { $0.name.hasSuffix(".npy") ? String($0.name.dropLast(4)) : nil }
  }

  /// The array called `name`, unpacked into memory (a view of the file if it is stored without compression).
  ///
  /// - Parameter verifies: whether all bytes are read to check that they are what was written. Without, a large array that
  ///   is stored costs nothing until it is used.
  /// - Throws: `badInput` when there is none, when it is damaged, and when its elements are not numbers.
  public func tensor(named name: String, verifies: Bool = true) throws -> Tensor {
    try locating(archive.file.path) {
      guard let member = archive.member(named: name + ".npy") else {
        throw Failure(.badInput, "has no array called \(name)", hint: "it holds \(names.joined(separator: ", "))")
      }
      let storage = try archive.storage(of: member)
      guard !verifies && member.method == .stored || Deflate.crc32(storage.bytes) == member.checksum else {
        throw Failure(
          .badInput, "its array \(name) is damaged (its checksum is wrong)", hint: "copy or make the file again")
      }
      return try NPYHeader(storage.bytes).tensor(in: storage)
    }
  }
}

/// Writes float32 arrays to a deflated `.npz` file while they are being computed.
///
/// The values arrive as consecutive chunks in C order; memory stays bounded by a few megabytes whatever the shape, and
/// all cores deflate. The file appears on `commit`.
///
///     let writer = try NPZWriter(path: "case_01.npz")
///     try writer.begin("probabilities", shape: [classes, depth, height, width])
///     for slab in slabs { try writer.append(slab) }
///     try writer.end()
///     try writer.commit()
public final class NPZWriter {
  private let archive: ZipWriter
  private let path: String
  private var missing = 0

  /// Begins the file at `path`; `flushes` as for `AtomicFile`. Throws `cannotWrite`.
  public init(path: String, flushes: Bool = true) throws {
    archive = try ZipWriter(path: path, flushes: flushes)
    self.path = path
  }

  /// Adds a whole array in C order without compressing it, so that a reader can map it.
  ///
  /// Throws `cannotWrite`, and `internalError` when the bytes do not fill the shape.
  public func store(
    _ name: String, _ content: UnsafeRawBufferPointer, type: Tensor.ElementType, shape: [Int]
  ) throws {
    guard missing == 0, let code = type.numPyCode, checkedProduct(shape + [type.size]) == content.count else {
      throw Failure(.internalError, "the array \(name) of shape \(shape) cannot be written", file: path)
    }
    let header = NPYHeader.bytes(shape: shape, code: code)
    // The array begins at a multiple of the header's own alignment.
    try archive.begin(name + ".npy", alignment: 64, expectedSize: header.count + content.count)
    try header.withUnsafeBytes { try archive.write($0) }
    try archive.write(content)
    try archive.end()
  }

  /// Begins the array called `name`. `level` is zlib's, 1 (fast) to 9 (small); probabilities hardly get smaller at
  /// higher levels (1.1% at level 6), but take twice as long.
  public func begin(_ name: String, shape: [Int], level: Int = 1) throws {
    guard missing == 0, let count = checkedProduct(shape), let size = checkedProduct([count, 4]) else {
      throw Failure(.internalError, "the array \(name) of shape \(shape) cannot be begun", file: path)
    }
    let header = NPYHeader.bytes(shape: shape)
    try archive.begin(name + ".npy", method: .deflated, level: level, expectedSize: header.count + size)
    try header.withUnsafeBytes { try archive.write($0) }
    missing = count
  }

  /// The next values of the array. Throws `cannotWrite`; `internalError` when there are more than the shape holds.
  public func append(_ values: UnsafeBufferPointer<Float>) throws {
    guard values.count <= missing else {
      throw Failure(.internalError, "more values were given than the array holds", file: path)
    }
    missing -= values.count
    try archive.write(UnsafeRawBufferPointer(values))
  }

  /// Ends the array. Throws `internalError` when values are missing, and `cannotWrite`.
  public func end() throws {
    guard missing == 0 else {
      throw Failure(.internalError, "\(missing) values of the array were never given", file: path)
    }
    try archive.end()
  }

  /// Gives the file its name. Throws `cannotWrite`.
  public func commit() throws { try archive.commit() }
}
