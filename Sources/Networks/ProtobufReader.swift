import Basics

/// Reads the fields of one message in protocol buffers' wire format (protobuf.dev/programming-guides/encoding) where they
/// lie. Nothing is copied, and no length is believed that goes beyond the message.
struct ProtobufReader {
  enum Value {
    case number(UInt64)
    case bytes(UnsafeRawBufferPointer)
    /// Fixed 32 or 64 bits, which nothing here asks for.
    case fixed
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The next field, or nil at the end of the message. Throws `badInput` for what is no message.
  mutating func next() throws -> (field: Int, value: Value)? {
    guard position < bytes.count else { return nil }
    let key = try varint()
    guard let field = Int(exactly: key >> 3), field > 0, field < 1 << 29 else { throw Self.damage }
    switch key & 7 {
    case 0: return (field, .number(try varint()))
    case 1: try skip(8)
    case 2:
      guard let count = Int(exactly: try varint()), count <= bytes.count - position else { throw Self.damage }
      defer { position += count }
      return (field, .bytes(UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])))
    case 5: try skip(4)
    default: throw Self.damage
    }
    return (field, .fixed)
  }

  private mutating func skip(_ count: Int) throws {
    guard count <= bytes.count - position else { throw Self.damage }
    position += count
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < bytes.count else { throw Self.damage }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Self.damage
  }

  static let damage = Failure(
    .badInput, "is no complete ONNX model", hint: "the file is truncated or damaged, or something else; copy it again")
}

extension ProtobufReader.Value {
  /// A number as it is in the message's `int64`; throws `badInput` for another type of field.
  func int() throws -> Int {
    guard case .number(let value) = self else { throw ProtobufReader.damage }
    return Int(truncatingIfNeeded: value)
  }

  func content() throws -> UnsafeRawBufferPointer {
    guard case .bytes(let bytes) = self else { throw ProtobufReader.damage }
    return bytes
  }

  func text() throws -> String { String(decoding: try content(), as: UTF8.self) }

  func message() throws -> ProtobufReader { ProtobufReader(try content()) }
}
