import Basics

/// Files in the safetensors format: a JSON header that says where each tensor lies, then the bytes.
///
/// Layout: header length (64 bits, little-endian), header, data; tensors are contiguous, little-endian and cover the
/// data without gaps or overlaps (https://github.com/huggingface/safetensors, section "Format").
public enum SafetensorsFile {
  /// The format's own limit for the header.
  private static let largestHeader = 100_000_000

  /// Whether `bytes` begin as such a file does: a plausible length, then an opening brace.
  static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count > 9, bytes[8] == UInt8(ascii: "{") else { return false }
    return bytes.loadUnaligned(as: UInt64.self).littleEndian <= UInt64(largestHeader)
  }

  /// The tensors of the file at `path`, in the order of their bytes, as views of the mapped file.
  ///
  /// Throws `missingInput`, and `badInput` for anything that does not fit together.
  public static func read(_ path: String) throws -> StateDictionary { try read(MappedFile(path: path)) }

  static func read(_ file: MappedFile) throws -> StateDictionary {
    defer { withExtendedLifetime(file) {} }
    return try locating(file.path) {
      var reader = ByteReader(file.bytes)
      let length = try reader.read(UInt64.self)
      guard length <= UInt64(largestHeader) else { throw damaged("its header is unreasonably long") }
      let header = try JSON(parsing: Array(try reader.take(Int(length))))
      guard let members = header.object?.members else { throw damaged("its header is not an object") }
      let dataStart = reader.position
      var entries: [(name: String, tensor: Tensor, start: Int, end: Int)] = []
      for (name, description) in members where name != "__metadata__" {
        let (type, shape, start, end) = try entry(name, description)
        guard end <= reader.remaining else { throw damaged("the tensor \(name) ends outside the file") }
        let storage = try TensorStorage(file: file, range: dataStart + start..<dataStart + end)
        entries.append((name, try Tensor(elementType: type, shape: shape, storage: storage), start, end))
      }
      entries.sort { ($0.start, $0.end) < ($1.start, $1.end) }
      var result = StateDictionary()
      var expected = 0
      for entry in entries {
        guard entry.start == expected else {
          throw damaged("the tensor \(entry.name) leaves a gap or overlaps another")
        }
        expected = entry.end
        result[entry.name] = entry.tensor
      }
      guard expected == reader.remaining else { throw damaged("it holds bytes that belong to no tensor") }
      return result
    }
  }

  private static func entry(
    _ name: String, _ description: JSON
  ) throws -> (type: Tensor.ElementType, shape: [Int], start: Int, end: Int) {
    guard let code = description["dtype"]?.string, let shape = description["shape"]?.ints,
      let offsets = description["data_offsets"]?.ints, offsets.count == 2
    else { throw damaged("the description of the tensor \(name) is incomplete") }
    guard let type = types.first(where: { $0.code == code })?.type else {
      throw Failure(.badInput, "holds the tensor \(name) of type \(code), which is not supported")
    }
    let (start, end) = (offsets[0], offsets[1])
    guard start >= 0, end >= start, let size = checkedProduct(shape + [type.size]), size == end - start else {
      throw damaged("the size of the tensor \(name) does not fit its shape")
    }
    return (type, shape, start, end)
  }

  private static let types: [(code: String, type: Tensor.ElementType)] = [
    ("F64", .float64), ("F32", .float32), ("F16", .float16), ("BF16", .bfloat16), ("I64", .int64), ("I32", .int32),
    ("I16", .int16), ("I8", .int8), ("U64", .uint64), ("U32", .uint32), ("U16", .uint16), ("U8", .uint8),
    ("BOOL", .bool),
  ]

  /// Writes `tensors` atomically, in their order; tensors that are not contiguous are written as float32.
  ///
  /// Throws `cannotWrite`.
  public static func write(_ tensors: StateDictionary, to path: String, metadata: [String: String] = [:]) throws {
    var header = JSONObject()
    if !metadata.isEmpty {
      var object = JSONObject()
      for key in metadata.keys.sorted() { object[key] = metadata[key].map { .string($0) } }
      header["__metadata__"] = .object(object)
    }
    var position = 0
    for name in tensors.names {
      guard let tensor = tensors[name] else { continue }
      let type = tensor.isContiguous ? tensor.elementType : .float32
      let size = tensor.count * type.size
      header[name] = .object([
        "dtype": .string(types.first { $0.type == type }?.code ?? ""),
        "shape": .array(tensor.shape.map { .int($0) }),
        "data_offsets": .array([.int(position), .int(position + size)]),
      ])
      position += size
    }
    var text = Array(JSON.object(header).text().utf8)
    // Spaces bring the data to a multiple of 8, as the reference implementation does, so that they can be mapped.
    while text.count % 8 != 0 { text.append(0x20) }
    var start: [UInt8] = []
    start.append(littleEndian: UInt64(text.count))
    let file = try AtomicFile(path: path)
    try file.write(start + text)
    for name in tensors.names {
      guard let tensor = tensors[name] else { continue }
      if let bytes = tensor.rawBytes {
        try withExtendedLifetime(tensor.storage) { try file.write(bytes) }
      } else {
        try tensor.floats().withUnsafeBytes { try file.write($0) }
      }
    }
    try file.commit()
  }

  private static func damaged(_ what: String) -> Failure {
    Failure(.badInput, "is not a usable safetensors file: \(what)", hint: "download or copy it again")
  }
}
