import Basics

/// The container of PyTorch before 1.6: five pickles in a row, then the storages one after the other.
struct TorchLegacyFile {
  let file: MappedFile

  /// 0x1950a86a20f9469cfc6c as the first pickle of a file holds it: protocol 2, LONG1, ten bytes, STOP.
  private static let magic: [UInt8] = [
    0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
  ]

  /// Whether `bytes` begin as such a file does, in any pickle protocol.
  static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count > magic.count, bytes[0] == 0x80, bytes[2...].starts(with: magic[2...]) else {
      return bytes.count > 32 && framedMagic(bytes)
    }
    return true
  }

  /// From protocol 4 on a frame header may come first.
  private static func framedMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes[0] == 0x80 && bytes[2] == 0x95 && bytes[11...].starts(with: magic[2...])
  }

  func value() throws -> PickleValue {
    let bytes = file.bytes
    var position = 0
    // The magic number and the protocol version, which has been 1001 from the beginning.
    _ = try plain(at: &position)
    guard try plain(at: &position).int == 1001 else {
      throw Failure(.badInput, "was written by an unknown version of PyTorch")
    }
    if case .bool(false)? = try plain(at: &position)["little_endian"] {
      throw Failure(
        .badInput, "was written on a machine with another byte order",
        hint: "load and save it again with PyTorch on an ordinary PC")
    }
    let machine = PickleMachine(bytes, at: position, allowsStorages: true)
    let root = try machine.run()
    position = machine.reader.position
    let keys = try plain(at: &position).sequence ?? []

    // How many elements of what type each key has is only said where it is used; see what the pickle asked for.
    let sizes = try elementSizes(machine)
    var found: [String: TensorStorage] = [:]
    var reader = ByteReader(bytes, at: position)
    for key in keys {
      guard let key = key.string else { throw PickleMachine.malformed }
      let count = try reader.read(Int64.self)
      guard let size = sizes[key] else {
        throw Failure(.badInput, "holds tensor data (\(key)) that nothing refers to")
      }
      guard let elements = Int(exactly: count), let length = checkedProduct([elements, size]),
        length <= reader.remaining
      else { throw ByteReader.endsEarly }
      let start = reader.position
      _ = try reader.take(length)
      found[key] = try TensorStorage(file: file, range: start..<start + length)
    }
    return try machine.value(of: root) { reference in
      guard let needed = reference.byteCount, let storage = found[reference.key], needed <= storage.bytes.count else {
        throw Failure(
          .badInput, "lacks the tensor data \(reference.key)",
          hint: "the file is incomplete; download or copy it again")
      }
      return storage
    }
  }

  private func plain(at position: inout Int) throws -> PickleValue {
    let machine = PickleMachine(file.bytes, at: position)
    let item = try machine.run()
    position = machine.reader.position
    return try machine.value(of: item)
  }

  /// Bytes per element of every storage that the main pickle mentions.
  private func elementSizes(_ machine: PickleMachine) throws -> [String: Int] {
    var sizes: [String: Int] = [:]
    for reference in machine.storages {
      guard let type = reference.elementType else {
        throw Failure(.badInput, "holds tensors of a type that is not supported (complex or quantised)")
      }
      sizes[reference.key] = type.size
    }
    return sizes
  }
}
