import Basics

/// A header extension of a NIfTI file: bytes that readers without a use for them step over.
public struct NIfTIExtension: Sendable, Equatable {
  /// What the bytes are, by the registry of the NIfTI group; 0 is unknown, 6 is a comment.
  public var code: Int
  /// The bytes, perhaps followed by zeros: the file knows their number in multiples of 16 only.
  public var content: [UInt8]

  public init(code: Int, content: [UInt8]) {
    self.code = code
    self.content = content
  }

  /// The bytes in the file: its own size, code and content, padded to a multiple of 16.
  var encoded: [UInt8] {
    let size = (content.count + 8 + 15) / 16 * 16
    var writer = ByteWriter(count: size)
    writer.put(Int32(truncatingIfNeeded: size), at: 0)
    writer.put(Int32(truncatingIfNeeded: code), at: 4)
    writer.put(content, at: 8)
    return writer.bytes
  }

  /// The extensions between the header and the voxels. What is malformed ends the list, as nobody could step over it.
  ///
  /// `bytes` is the file up to its voxels, `start` the size of the header.
  static func parse(_ bytes: [UInt8], start: Int, isBigEndian: Bool) -> [NIfTIExtension] {
    // Four bytes say whether there are any.
    guard bytes.count >= start + 4, bytes[start] != 0 else { return [] }
    let reader = ByteReader(bytes: bytes, isBigEndian: isBigEndian)
    var extensions: [NIfTIExtension] = []
    var position = start + 4
    while position + 8 <= bytes.count {
      let size = Int(reader.integer(position, as: Int32.self))
      guard size >= 8, size <= bytes.count - position else { break }
      let code = Int(reader.integer(position + 4, as: Int32.self))
      extensions.append(NIfTIExtension(code: code, content: Array(bytes[position + 8..<position + size])))
      position += size
    }
    return extensions
  }
}
