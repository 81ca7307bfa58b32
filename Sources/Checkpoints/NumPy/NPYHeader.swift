import Basics

/// The beginning of a `.npy` file: element type, shape and order (NumPy Enhancement Proposal 1, versions 1 to 3).
struct NPYHeader {
  var type: NumPyType
  var shape: [Int]
  var isFortranOrder = false
  /// Where the elements begin.
  var dataStart: Int

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Parses the header at the beginning of `bytes`. Throws `badInput`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    var reader = ByteReader(bytes)
    guard try reader.take(6).elementsEqual(Self.magic) else { throw Self.damaged("it does not begin as one") }
    let version = try reader.read(UInt16.self) & 0xFF
    guard (1...3).contains(version) else { throw Self.damaged("its version \(version) is unknown") }
    let length = version == 1 ? Int(try reader.read(UInt16.self)) : Int(try reader.read(UInt32.self))
    guard length <= 1 << 16 else { throw Self.damaged("its header is too long") }
    let text = String(decoding: try reader.take(length), as: UTF8.self)
    guard let code = Self.value(of: "descr", in: text), let order = Self.value(of: "fortran_order", in: text),
      let sizes = Self.value(of: "shape", in: text), sizes.hasPrefix("("), let close = sizes.firstIndex(of: ")")
    else { throw Self.damaged("its header is incomplete") }
    guard let quote = code.first, quote == "'" || quote == "\"", let end = code.dropFirst().firstIndex(of: quote) else {
      throw Failure(.badInput, "is a NumPy array of structures, which is not supported")
    }
    type = NumPyType(String(code[code.index(after: code.startIndex)..<end]))
    isFortranOrder = order.hasPrefix("True")
    shape = try sizes[sizes.index(after: sizes.startIndex)..<close].split(separator: ",").compactMap { field in
      let digits = field.filter { !$0.isWhitespace && $0 != "L" }
      if digits.isEmpty { return nil }
      guard let size = Int(digits), size >= 0 else { throw Self.damaged("its shape is malformed") }
      return size
    }
    dataStart = reader.position
  }

  /// What follows the key `name` in the Python dictionary `text`, up to its end.
  private static func value(of name: String, in text: String) -> Substring? {
    for quote in ["'", "\""] {
      let key = Array("\(quote)\(name)\(quote)".utf8)
      let utf8 = Array(text.utf8)
      guard utf8.count > key.count else { return nil }
      for start in 0..<utf8.count - key.count where utf8[start..<start + key.count].elementsEqual(key) {
        let rest = Substring(decoding: utf8[(start + key.count)...], as: UTF8.self).drop { $0.isWhitespace }
        guard rest.first == ":" else { return nil }
        return rest.dropFirst().drop { $0.isWhitespace }
      }
    }
    return nil
  }

  /// The bytes of a header for data in C order, padded so that the data begin at a multiple of 64.
  ///
  /// - Parameter code: NumPy's for the type, "<f4" for float32.
  static func bytes(shape: [Int], code: String = "<f4") -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array("{'descr': '\(code)', 'fortran_order': False, 'shape': (\(sizes)), }".utf8)
    let unpadded = magic.count + 2 + 2 + text.count + 1
    text += [UInt8](repeating: 0x20, count: (64 - unpadded % 64) % 64) + [0x0A]
    var bytes = magic + [1, 0]
    bytes.append(littleEndian: UInt16(text.count))
    return bytes + text
  }

  /// The array whose file is `storage`. Throws `badInput` when the bytes do not suffice or the type is not numeric.
  func tensor(in storage: TensorStorage) throws -> Tensor {
    guard let elementType = type.elementType else {
      throw Failure(
        .badInput, "is a NumPy array of type \(type.kind.rawValue)\(type.size), which is not supported",
        hint: "only arrays of numbers can be read")
    }
    guard let count = checkedProduct(shape), let size = checkedProduct([count, elementType.size]),
      size <= storage.bytes.count - dataStart
    else { throw Self.damaged("it ends before its last element") }
    let data = UnsafeRawBufferPointer(rebasing: storage.bytes[dataStart..<dataStart + size])
    let strides =
      isFortranOrder ? Tensor.contiguousStrides(shape.reversed()).reversed() : Tensor.contiguousStrides(shape)
    if dataStart % elementType.size == 0, !type.isBigEndian || elementType.size == 1 {
      return try Tensor(
        elementType: elementType, shape: shape, strides: strides, storage: storage,
        offset: dataStart / elementType.size)
    }
    let copy = TensorStorage(type.littleEndian(Array(data)))
    return try Tensor(elementType: elementType, shape: shape, strides: strides, storage: copy)
  }

  private static func damaged(_ what: String) -> Failure {
    Failure(.badInput, "is not a usable NumPy array: \(what)", hint: "the file may be incomplete; copy it again")
  }
}

/// Single NumPy arrays (`.npy`).
public enum NPYFile {
  /// The array in the file at `path`; a view of the mapped file where the byte order allows it.
  ///
  /// Numbers of all integer and floating-point types are read. Throws `missingInput` and `badInput`.
  public static func read(_ path: String) throws -> Tensor {
    try locating(path) {
      let file = try MappedFile(path: path)
      return try NPYHeader(file.bytes).tensor(in: TensorStorage(file: file, range: 0..<file.bytes.count))
    }
  }

  /// Writes float32 values in C order, atomically. Throws `cannotWrite`.
  public static func write(_ values: UnsafeBufferPointer<Float>, shape: [Int], to path: String) throws {
    guard checkedProduct(shape) == values.count else {
      throw Failure(.internalError, "\(values.count) values do not fill the shape \(shape)", file: path)
    }
    let file = try AtomicFile(path: path)
    try file.write(NPYHeader.bytes(shape: shape))
    try file.write(UnsafeRawBufferPointer(values))
    try file.commit()
  }
}
