import Basics

/// Reads one array of numbers of an `.npz` file from its first element to its last, without holding all of it in memory.
public final class NPZReader {
  /// The path of the file.
  public let path: String
  /// Outermost axis first.
  public private(set) var shape: [Int]
  private let archive: ZipArchive
  private let member: ZipArchive.Member
  private var elementType: Tensor.ElementType
  /// The bytes that are left of a stored member.
  private var stored: UnsafeRawBufferPointer
  private let inflater: InflateStream?
  private var checksum: UInt32 = 0
  private var missing: Int

  /// Opens the array called `name`.
  ///
  /// Throws `missingInput`; `badInput` when there is no such array, when it is damaged, and when it is not an array of
  /// floating-point numbers in C order.
  public init(path: String, name: String) throws {
    self.path = path
    let archive = try ZipArchive(path: path)
    self.archive = archive
    guard let member = archive.member(named: name + ".npy") else {
      throw Failure(.badInput, "has no array called \(name)", file: path)
    }
    self.member = member
    let packed = UnsafeRawBufferPointer(rebasing: archive.file.bytes[member.range])
    stored = packed
    inflater = member.method == .deflated ? try InflateStream(packed) : nil
    (shape, elementType, missing) = ([], .float32, 0)
    try locating(path) { try readHeader() }
  }

  private func readHeader() throws {
    // The fixed part says how long the header is (versions 1 to 3).
    var header = [UInt8](repeating: 0, count: min(12, member.size))
    try header.withUnsafeMutableBytes { try next(into: $0) }
    guard header.count == 12 else { throw Failure(.badInput, "holds no NumPy array") }
    let isShort = header[6] == 1
    let length =
      isShort ? Int(header[8]) | Int(header[9]) << 8 : (0..<4).reduce(0) { $0 | Int(header[8 + $1]) << (8 * $1) }
    let total = length + (isShort ? 10 : 12)
    guard length <= 1 << 16, total <= member.size, total >= 12 else {
      throw Failure(.badInput, "holds a NumPy array with a header that is too long")
    }
    var rest = [UInt8](repeating: 0, count: total - 12)
    try rest.withUnsafeMutableBytes { try next(into: $0) }
    let parsed = try (header + rest).withUnsafeBytes { try NPYHeader($0) }
    guard let type = parsed.type.elementType, [.float16, .float32, .float64].contains(type), !parsed.type.isBigEndian,
      !parsed.isFortranOrder || parsed.shape.count < 2
    else { throw Failure(.badInput, "holds no array of floating-point numbers in C order") }
    guard let count = checkedProduct(parsed.shape), checkedProduct([count, type.size]) == member.size - total else {
      throw Failure(.badInput, "holds a NumPy array that ends before its last element")
    }
    (shape, elementType, missing) = (parsed.shape, type, count)
  }

  /// Fills `target` with the next elements. Throws `badInput` for damaged data; after the last element its checksum is
  /// verified.
  public func read(into target: UnsafeMutableBufferPointer<Float>) throws {
    guard target.count <= missing else {
      throw Failure(.internalError, "more elements were asked for than the array holds", file: path)
    }
    missing -= target.count
    try locating(path) {
      if elementType == .float32 {
        try next(into: UnsafeMutableRawBufferPointer(target))
      } else {
        var bytes = [UInt8](repeating: 0, count: target.count * elementType.size)
        try bytes.withUnsafeMutableBytes { try next(into: $0) }
        let storage = TensorStorage(bytes)
        try Tensor(elementType: elementType, shape: [target.count], storage: storage).copyFloats(to: target)
      }
      guard missing > 0 || checksum == member.checksum else {
        throw Failure(
          .badInput, "its member \(member.name) is damaged (its checksum is wrong)",
          hint: "copy or make the file again")
      }
    }
  }

  private func next(into target: UnsafeMutableRawBufferPointer) throws {
    if let inflater {
      try inflater.read(into: target)
    } else {
      guard target.count <= stored.count else { throw Failure(.badInput, "ends early") }
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: stored.prefix(target.count)))
      stored = UnsafeRawBufferPointer(rebasing: stored.dropFirst(target.count))
    }
    checksum = Deflate.crc32(UnsafeRawBufferPointer(target), seed: checksum)
  }
}
