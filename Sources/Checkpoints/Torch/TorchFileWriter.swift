import Basics

/// Writes a value as `torch.save` does: a ZIP container that `torch.load` reads, also with `weights_only`.
///
/// Tensors whose storage is the same object share it in the file too. The file appears whole or not at all, and tensors
/// are streamed from where they lie.
public enum TorchFileWriter {
  /// Throws `cannotWrite`; `internalError` for values that PyTorch has no way to read.
  public static func write(_ value: PickleValue, to path: String) throws {
    var stream = TorchPickle()
    try stream.append(value)
    let zip = try ZipWriter(path: path)
    // The folder's name is of no consequence; PyTorch takes that of the file.
    let folder = archiveName(of: path)
    try zip.add("\(folder)/data.pkl", [0x80, 2] + stream.bytes + [UInt8(ascii: ".")])
    try zip.add("\(folder)/byteorder", Array("little".utf8))
    for (key, storage) in stream.storages.enumerated() {
      try withExtendedLifetime(storage) {
        try zip.add("\(folder)/data/\(key)", storage.bytes, alignment: 64)
      }
    }
    try zip.add("\(folder)/version", Array("3\n".utf8))
    try zip.commit()
  }

  private static func archiveName(of path: String) -> String {
    let name = Path.split(path).name.prefix { $0 != "." }
    return name.isEmpty ? "archive" : String(name)
  }
}

/// The opcodes of protocol 2 that PyTorch's restricted reader knows too.
private struct TorchPickle {
  private(set) var bytes: [UInt8] = []
  private(set) var storages: [TensorStorage] = []
  private var keys: [ObjectIdentifier: Int] = [:]

  mutating func append(_ value: PickleValue) throws {
    switch value {
    case .none: opcode("N")
    case .bool(let value): bytes.append(value ? 0x88 : 0x89)
    case .int(let value): append(value)
    case .float(let value):
      opcode("G")
      bytes.append(littleEndian: value.bitPattern.byteSwapped)
    case .string(let text): append(text)
    case .list(let items):
      opcode("]")
      try append(items, then: "e")
    case .tuple(let items):
      opcode("(")
      for item in items { try append(item) }
      opcode("t")
    case .dictionary(let dictionary):
      opcode("}")
      try append(dictionary.entries.flatMap { [$0.key, $0.value] }, then: "u")
    case .tensor(let tensor): try append(tensor)
    case .bigInteger, .bytes, .set, .global, .object:
      throw Failure(.internalError, "\(value.kindName) cannot be written for PyTorch")
    }
  }

  private mutating func append(_ items: [PickleValue], then opcode: Unicode.Scalar) throws {
    guard !items.isEmpty else { return }
    self.opcode("(")
    for item in items { try append(item) }
    self.opcode(opcode)
  }

  private mutating func append(_ value: Int) {
    if let small = UInt8(exactly: value) {
      bytes += [UInt8(ascii: "K"), small]
    } else if let medium = Int32(exactly: value) {
      opcode("J")
      bytes.append(littleEndian: medium)
    } else {
      bytes += [0x8A, 8]
      bytes.append(littleEndian: Int64(value))
    }
  }

  private mutating func append(_ text: String) {
    opcode("X")
    bytes.append(littleEndian: UInt32(text.utf8.count))
    bytes += text.utf8
  }

  private mutating func global(_ module: String, _ name: String) {
    opcode("c")
    bytes += "\(module)\n\(name)\n".utf8
  }

  private mutating func append(_ tensor: Tensor) throws {
    let identity = ObjectIdentifier(tensor.storage)
    let key = keys[identity] ?? storages.count
    if key == storages.count {
      storages.append(tensor.storage)
      keys[identity] = key
    }
    global("torch._utils", "_rebuild_tensor_v2")
    opcode("(")
    opcode("(")
    append("storage")
    global("torch", try Self.storageClass(tensor.elementType))
    append("\(key)")
    append("cpu")
    append(tensor.storage.bytes.count / tensor.elementType.size)
    opcode("t")
    opcode("Q")
    append(tensor.offset)
    try append(.tuple(tensor.shape.map { .int($0) }))
    try append(.tuple(tensor.strides.map { .int($0) }))
    // Needs no gradient and has no hooks.
    bytes.append(0x89)
    global("collections", "OrderedDict")
    opcode(")")
    opcode("R")
    opcode("t")
    opcode("R")
  }

  private static func storageClass(_ type: Tensor.ElementType) throws -> String {
    switch type {
    case .float64: "DoubleStorage"
    case .float32: "FloatStorage"
    case .float16: "HalfStorage"
    case .bfloat16: "BFloat16Storage"
    case .int64: "LongStorage"
    case .int32: "IntStorage"
    case .int16: "ShortStorage"
    case .int8: "CharStorage"
    case .uint8: "ByteStorage"
    case .bool: "BoolStorage"
    case .uint64, .uint32, .uint16:
      throw Failure(.internalError, "a tensor of \(type.rawValue) cannot be written for PyTorch")
    }
  }

  private mutating func opcode(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }
}

extension PickleValue {
  /// A JSON document as Python's `json` module would give it.
  public init(_ json: JSON) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(value)
    case .double(let value): self = .float(value)
    case .string(let value): self = .string(value)
    case .array(let items): self = .list(items.map(PickleValue.init))
    case .object(let object):
      self = .dictionary(PickleDictionary(object.members.map { ($0.key, PickleValue($0.value)) }))
    }
  }
}
