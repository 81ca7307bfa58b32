import Basics

/// The bytes behind one or more tensors: a part of a mapped file, or memory of our own.
///
/// Tensors that share weights share the storage object, so `===` tells whether two names mean the same parameter.
public final class TensorStorage: @unchecked Sendable {
  /// Valid as long as this object lives, and never written after the initialiser has returned.
  public let bytes: UnsafeRawBufferPointer
  /// Keeps the mapping of a file-backed storage alive.
  private let file: MappedFile?
  /// Whether the bytes are those of a file and take no memory of their own.
  public var isMapped: Bool { file != nil }

  /// The bytes `range` of a mapped file. Throws `badInput` when the range does not lie inside the file.
  public init(file: MappedFile, range: Range<Int>) throws {
    guard range.lowerBound >= 0, range.upperBound <= file.bytes.count else {
      throw Failure(.badInput, "holds a tensor that lies beyond the end of the file", file: file.path)
    }
    self.file = file
    bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
  }

  /// `count` bytes of memory, zeroed and then filled by `body`.
  public init(count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
    // A vector register's width, so that kernels may assume it.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 0), alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    file = nil
    bytes = UnsafeRawBufferPointer(memory)
    try body(memory)
  }

  /// A copy of `content`.
  public convenience init(_ content: [UInt8]) {
    self.init(count: content.count) { $0.copyBytes(from: content) }
  }

  deinit {
    if file == nil { UnsafeMutableRawBufferPointer(mutating: bytes).deallocate() }
  }
}
