import Basics

/// Writes plain values as a Python pickle (protocol 4): what nnU-Net's `<case>.pkl` and `postprocessing.pkl` are.
///
/// Equal values give equal bytes. Tensors become NumPy arrays, and those without axes NumPy scalars, under the names
/// that NumPy 1 and NumPy 2 both understand.
public struct PickleWriter {
  private var out: [UInt8] = []

  /// The pickle of `value`. Throws `internalError` for objects of unknown classes, which cannot be written.
  public static func bytes(of value: PickleValue) throws -> [UInt8] {
    var writer = PickleWriter()
    try writer.write(value)
    writer.out.append(UInt8(ascii: "."))
    var stream: [UInt8] = [0x80, 4, 0x95]
    stream.append(littleEndian: UInt64(writer.out.count))
    return stream + writer.out
  }

  /// Writes the pickle of `value` to a file, atomically. Throws `cannotWrite`.
  public static func write(_ value: PickleValue, to path: String) throws {
    try AtomicFile.write(try bytes(of: value), to: path)
  }

  private mutating func write(_ value: PickleValue) throws {
    switch value {
    case .none: opcode("N")
    case .bool(let value): out.append(value ? 0x88 : 0x89)
    case .int(let value): write(value)
    case .bigInteger(let bytes):
      out.append(0x8B)
      out.append(littleEndian: Int32(truncatingIfNeeded: bytes.count))
      out += bytes
    case .float(let value):
      opcode("G")
      out.append(littleEndian: value.bitPattern.byteSwapped)
    case .string(let text):
      let bytes = Array(text.utf8)
      if bytes.count < 256 {
        out += [0x8C, UInt8(bytes.count)]
      } else {
        out.append(0x8D)
        out.append(littleEndian: UInt64(bytes.count))
      }
      out += bytes
    case .bytes(let bytes): write(bytes)
    case .list(let items):
      opcode("]")
      try write(items, then: UInt8(ascii: "e"))
    case .set(let items):
      out.append(0x8F)
      try write(items, then: 0x90)
    case .tuple(let items):
      opcode(items.isEmpty ? ")" : "(")
      for item in items { try write(item) }
      if !items.isEmpty { opcode("t") }
    case .dictionary(let dictionary):
      opcode("}")
      try write(dictionary.entries.flatMap { [$0.key, $0.value] }, then: UInt8(ascii: "u"))
    case .global(let global):
      try write(.string(global.module))
      try write(.string(global.name))
      out.append(0x93)
    case .tensor(let tensor): try write(tensor)
    case .object(let object):
      throw Failure(.internalError, "an object of the type \(object.type) cannot be written")
    }
  }

  /// A mark, the items and the opcode that adds them to the container; nothing when there are none.
  private mutating func write(_ items: [PickleValue], then opcode: UInt8) throws {
    guard !items.isEmpty else { return }
    self.opcode("(")
    for item in items { try write(item) }
    out.append(opcode)
  }

  private mutating func write(_ value: Int) {
    if let small = UInt8(exactly: value) {
      out += [UInt8(ascii: "K"), small]
    } else if let medium = Int32(exactly: value) {
      opcode("J")
      out.append(littleEndian: medium)
    } else {
      out += [0x8A, 8]
      out.append(littleEndian: Int64(value))
    }
  }

  private mutating func write(_ bytes: [UInt8]) {
    if bytes.count < 256 {
      out += [UInt8(ascii: "C"), UInt8(bytes.count)]
    } else {
      out.append(0x8E)
      out.append(littleEndian: UInt64(bytes.count))
    }
    out += bytes
  }

  // MARK: NumPy

  /// `numpy.core.multiarray` is the name of NumPy 1; NumPy 2 keeps it for the sake of old pickles.
  private static let numPyModule = "numpy.core.multiarray"

  private mutating func write(_ tensor: Tensor) throws {
    guard let type = Self.typeCode(tensor.elementType) else {
      throw Failure(.internalError, "an array of \(tensor.elementType.rawValue) cannot be written")
    }
    guard let content = tensor.rawBytes.map({ Array($0) }) else {
      let copy = try Tensor(floats: tensor.floats(), shape: tensor.shape)
      return try write(copy)
    }
    if tensor.shape.isEmpty {
      try write(.global(PickleGlobal(Self.numPyModule, "scalar")))
      try writeType(type)
      write(content)
      out += [0x86, UInt8(ascii: "R")]
    } else {
      try write(.global(PickleGlobal(Self.numPyModule, "_reconstruct")))
      try write(.tuple([.global(PickleGlobal("numpy", "ndarray")), .tuple([.int(0)]), .bytes([UInt8(ascii: "b")])]))
      opcode("R")
      opcode("(")
      try write(.int(1))
      try write(.tuple(tensor.shape.map { .int($0) }))
      try writeType(type)
      try write(.bool(false))
      write(content)
      opcode("t")
      opcode("b")
    }
  }

  /// `numpy.dtype(code, False, True)` with its byte order.
  private mutating func writeType(_ code: String) throws {
    try write(.global(PickleGlobal("numpy", "dtype")))
    try write(.tuple([.string(code), .bool(false), .bool(true)]))
    opcode("R")
    let order = code.hasSuffix("1") ? "|" : "<"
    try write(.tuple([.int(3), .string(order), .none, .none, .none, .int(-1), .int(-1), .int(0)]))
    opcode("b")
  }

  private static func typeCode(_ type: Tensor.ElementType) -> String? {
    switch type {
    case .float64: "f8"
    case .float32: "f4"
    case .float16: "f2"
    case .int64: "i8"
    case .int32: "i4"
    case .int16: "i2"
    case .int8: "i1"
    case .uint64: "u8"
    case .uint32: "u4"
    case .uint16: "u2"
    case .uint8: "u1"
    case .bool: "b1"
    case .bfloat16: nil
    }
  }

  private mutating func opcode(_ character: Unicode.Scalar) { out.append(UInt8(ascii: character)) }
}
