import Checkpoints

/// One message in protocol buffers' wire format (protobuf.dev/programming-guides/encoding), put together field by field.
///
/// Weights are remembered, not copied, until the message is written out; sizes are known at once. Making every child
/// before its parent is enough to get the length prefixes right.
struct ProtobufMessage {
  private enum Piece {
    case bytes([UInt8])
    /// As little-endian float32.
    case floats(Tensor)
  }

  private var pieces: [Piece] = []
  /// The length of the message.
  private(set) var byteCount = 0

  private enum WireType: UInt64 {
    case varint = 0
    case lengthDelimited = 2
    case fixed32 = 5
  }

  mutating func add(_ field: Int, _ value: Int) {
    append(key(field, .varint) + Self.varint(UInt64(bitPattern: Int64(value))))
  }

  mutating func add(_ field: Int, _ value: Float) {
    append(key(field, .fixed32) + withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
  }

  mutating func add(_ field: Int, _ text: String) { add(field, bytes: Array(text.utf8)) }

  mutating func add(_ field: Int, bytes: [UInt8]) {
    append(key(field, .lengthDelimited) + Self.varint(UInt64(bytes.count)) + bytes)
  }

  mutating func add(_ field: Int, _ message: ProtobufMessage) {
    append(key(field, .lengthDelimited) + Self.varint(UInt64(message.byteCount)))
    for piece in message.pieces {
      switch piece {
      case .bytes(let bytes): append(bytes)
      case .floats(let tensor): append(tensor)
      }
    }
  }

  mutating func add(_ field: Int, floats tensor: Tensor) {
    append(key(field, .lengthDelimited) + Self.varint(UInt64(tensor.count * 4)))
    append(tensor)
  }

  /// Hands out the encoded message from beginning to end, `byteCount` bytes in all.
  func write(_ sink: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): try bytes.withUnsafeBytes(sink)
      case .floats(let tensor): try tensor.withContiguousFloats { try sink(UnsafeRawBufferPointer($0)) }
      }
    }
  }

  /// Neighbouring small fields end up in one piece, so that files are written in few calls.
  private mutating func append(_ bytes: [UInt8]) {
    byteCount += bytes.count
    if case .bytes(var last)? = pieces.last {
      pieces.removeLast()
      last += bytes
      pieces.append(.bytes(last))
    } else {
      pieces.append(.bytes(bytes))
    }
  }

  private mutating func append(_ tensor: Tensor) {
    byteCount += tensor.count * 4
    pieces.append(.floats(tensor))
  }

  private func key(_ field: Int, _ type: WireType) -> [UInt8] { Self.varint(UInt64(field) << 3 | type.rawValue) }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
    return bytes
  }
}
