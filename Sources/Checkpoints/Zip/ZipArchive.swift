import Basics

/// A ZIP archive in a mapped file: what PyTorch checkpoints, NumPy `.npz` files and nnU-Net model packages are.
///
/// Names and places come from the central directory (PKWARE APPNOTE 4.3 and 4.4, ZIP64 included). Opening checks that
/// every member lies inside the file, that no two overlap, and that no name points outside the folder an archive
/// would be unpacked into; so an archive that opened can be read and unpacked without further care.
public struct ZipArchive: Sendable {
  /// One file in the archive.
  public struct Member: Sendable, Equatable {
    public enum Method: UInt16, Sendable {
      case stored = 0
      case deflated = 8
    }

    /// Relative, with "/" between folders.
    public var name: String
    public var method: Method
    /// The number of bytes once unpacked.
    public var size: Int
    /// CRC-32 of the unpacked bytes.
    public var checksum: UInt32
    /// Where in the file the (possibly compressed) bytes lie.
    public var range: Range<Int>

    /// Whether this entry only says that a folder exists.
    public var isFolder: Bool { name.hasSuffix("/") }
  }

  public let file: MappedFile
  /// In the order of the central directory.
  public let members: [Member]
  private let positions: [String: Int]

  /// Whether `bytes` begin as a ZIP archive does.
  public static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) || bytes.starts(with: [0x50, 0x4B, 0x05, 0x06])
  }

  /// Opens the archive at `path`. Throws `missingInput`, and `badInput` for anything malformed.
  public init(path: String) throws { try self.init(file: MappedFile(path: path)) }

  /// Reads the directory of an archive. Throws `badInput` for anything malformed.
  public init(file: MappedFile) throws {
    self.file = file
    defer { withExtendedLifetime(file) {} }
    members = try locating(file.path) { try ZipDirectory(bytes: file.bytes).members() }
    positions = Dictionary(members.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The member called `name`, or nil.
  public func member(named name: String) -> Member? { positions[name].map { members[$0] } }

  /// The unpacked bytes of a member, checked against their CRC.
  ///
  /// Throws `badInput` for damaged data, and when there are more than `maximum` bytes.
  public func contents(of member: Member, maximum: Int = .max) throws -> [UInt8] {
    defer { withExtendedLifetime(file) {} }
    return try locating(file.path) {
      guard member.size <= maximum else {
        throw Failure(.badInput, "its member \(member.name) is unreasonably large (\(member.size) bytes)")
      }
      let packed = packedBytes(of: member)
      let content = try explaining(member) {
        switch member.method {
        case .stored: Array(packed)
        case .deflated: try Deflate.inflate(packed, count: member.size)
        }
      }
      try content.withUnsafeBytes { try check($0, of: member) }
      return content
    }
  }

  /// Throws `badInput` when the bytes of a member do not have the CRC that the archive notes.
  public func verify(_ member: Member) throws {
    defer { withExtendedLifetime(file) {} }
    switch member.method {
    case .stored: try locating(file.path) { try check(packedBytes(of: member), of: member) }
    case .deflated: _ = try contents(of: member)
    }
  }

  /// The bytes of a member as a storage for tensors: the mapping itself when the member is stored, an unpacked copy
  /// otherwise. The CRC is not checked, so that only the pages that are used get read.
  func storage(of member: Member) throws -> TensorStorage {
    defer { withExtendedLifetime(file) {} }
    switch member.method {
    case .stored:
      return try TensorStorage(file: file, range: member.range)
    case .deflated:
      return try explaining(member) {
        try TensorStorage(count: member.size) { try Deflate.inflate(packedBytes(of: member), into: $0) }
      }
    }
  }

  /// Unpacks a member into a file that appears when it is complete.
  ///
  /// Throws `badInput` for damaged data and `cannotWrite`.
  public func extract(_ member: Member, to path: String) throws {
    let output = try AtomicFile(path: path)
    switch member.method {
    case .stored:
      try verify(member)
      try withExtendedLifetime(file) { try output.write(packedBytes(of: member)) }
    case .deflated: try output.write(contents(of: member))
    }
    try output.commit()
  }

  private func packedBytes(of member: Member) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[member.range])
  }

  private func check(_ content: UnsafeRawBufferPointer, of member: Member) throws {
    guard Deflate.crc32(content) == member.checksum else {
      throw Failure(
        .badInput, "its member \(member.name) is damaged (its checksum is wrong)",
        hint: "download or copy the file again")
    }
  }

  private func explaining<Result>(_ member: Member, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch var failure as Failure {
      failure.message = "its member \(member.name) cannot be unpacked: \(failure.message)"
      throw failure.located(in: file.path)
    }
  }

  static func lyingSize(_ member: Member) -> Failure {
    Failure(.badInput, "its member \(member.name) claims more bytes than its compressed data can hold")
  }
}
