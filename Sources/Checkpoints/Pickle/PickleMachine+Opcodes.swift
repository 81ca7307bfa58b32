import Basics

extension PickleMachine {
  /// Carries out one opcode. The cases are in the order of the protocols that introduced them.
  func execute(_ opcode: UInt8) throws {
    if opcode >= 0x80 { return try executeBinary(opcode) }
    switch Unicode.Scalar(opcode) {
    case "(": try setMark()
    case "0": if stack.count == marks.last { marks.removeLast() } else { _ = try pop() }
    case "1": _ = try popToMark()
    case "2": try push(try top())
    case "N": try push(.none)
    case "I", "L": try push(try integer(text: reader.line()))
    case "F": try push(.float(try float(text: reader.line())))
    case "S": try push(.string(try quotedString(reader.line())))
    case "V": try push(.string(try escapedString(reader.line())))
    case "J": try push(.int(Int(try reader.read(Int32.self))))
    case "K": try push(.int(Int(try reader.read(UInt8.self))))
    case "M": try push(.int(Int(try reader.read(UInt16.self))))
    case "G": try push(.float(Double(bitPattern: try reader.read(UInt64.self).byteSwapped)))
    case "T": try push(.string(String(latin1: try bytes(reader.read(Int32.self)))))
    case "U": try push(.string(String(latin1: try bytes(reader.read(UInt8.self)))))
    case "X": try push(.string(try string(reader.read(UInt32.self))))
    case "B": try push(try byteString(reader.read(UInt32.self)))
    case "C": try push(.bytes(Array(try bytes(reader.read(UInt8.self)))))
    case "]": try push(try node(.list))
    case ")": try push(try node(.tuple))
    case "}": try push(try node(.dictionary))
    case "l": try push(try node(.list, popToMark()))
    case "t": try push(try node(.tuple, popToMark()))
    case "d": try push(try node(.dictionary, pairs(popToMark())))
    case "a": try extend(with: [pop()])
    case "e": try extend(with: popToMark())
    case "s": try assign(pop(2))
    case "u": try assign(pairs(popToMark()))
    case "p": try memoize(try top(), at: try index(text: reader.line()))
    case "q": try memoize(try top(), at: Int(try reader.read(UInt8.self)))
    case "r": try memoize(try top(), at: Int(try reader.read(UInt32.self)))
    case "g": try recall(try index(text: reader.line()))
    case "h": try recall(Int(try reader.read(UInt8.self)))
    case "j": try recall(Int(try reader.read(UInt32.self)))
    case "c":
      let module = try text(reader.line())
      try push(.global(try lookUp(module, try text(reader.line()))))
    case "i":
      let module = try text(reader.line())
      let global = try lookUp(module, try text(reader.line()))
      try push(try call(global, try popToMark()))
    case "o":
      let items = try popToMark()
      guard let global = items.first?.global else { throw Self.malformed }
      try push(try call(global, Array(items.dropFirst())))
    case "R": try reduce()
    case "b": try build()
    case "Q": try push(try persistent(pop()))
    case "P": throw Failure(.badInput, "refers to data outside the file by a text id, which is not supported")
    default: throw Self.malformed
    }
  }

  private func executeBinary(_ opcode: UInt8) throws {
    switch opcode {
    case 0x80:
      let version = try reader.read(UInt8.self)
      guard version <= 5 else { throw Failure(.badInput, "uses pickle protocol \(version), which is not known") }
    case 0x81: try reduce()  // NEWOBJ: as REDUCE, for the constructors that are known
    case 0x82...0x84: throw Failure(.badInput, "uses a private extension of the pickle format")
    case 0x85: try push(try node(.tuple, pop(1)))
    case 0x86: try push(try node(.tuple, pop(2)))
    case 0x87: try push(try node(.tuple, pop(3)))
    case 0x88: try push(.bool(true))
    case 0x89: try push(.bool(false))
    case 0x8A: try push(Self.integer(bytes(reader.read(UInt8.self))))
    case 0x8B: try push(Self.integer(bytes(reader.read(Int32.self))))
    case 0x8C: try push(.string(try string(reader.read(UInt8.self))))
    case 0x8D: try push(.string(try string(reader.read(UInt64.self))))
    case 0x8E, 0x96: try push(try byteString(reader.read(UInt64.self)))
    case 0x8F: try push(try node(.set))
    case 0x90: try extend(with: popToMark())
    case 0x91: try push(try node(.set, popToMark()))
    case 0x92:
      let keywords = try pop()
      guard case .dictionary? = keywords.node?.kind, keywords.node?.items.isEmpty == true else {
        throw Failure(.badInput, "constructs an object with named arguments, which is not supported")
      }
      try reduce()
    case 0x93:
      let names = try pop(2)
      guard let module = names[0].string, let name = names[1].string else { throw Self.malformed }
      try push(.global(try lookUp(module, name)))
    case 0x94: try memoize(try top(), at: memo.count)
    case 0x95: _ = try reader.read(UInt64.self)  // FRAME only helps readers that buffer
    case 0x97, 0x98: throw Failure(.badInput, "refers to buffers outside the pickle, which is not supported")
    default: throw Self.malformed
    }
  }

  // MARK: Containers

  /// APPEND, APPENDS and ADDITEMS: on lists, sets, and the subclasses of them that are kept as placeholders.
  private func extend(with items: [PickleItem]) throws {
    guard let node = try top().node else { throw Self.malformed }
    switch node.kind {
    case .list, .set, .object: node.items += items
    default: throw Self.malformed
    }
  }

  /// SETITEM and SETITEMS.
  private func assign(_ items: [PickleItem]) throws {
    guard let node = try top().node else { throw Self.malformed }
    switch node.kind {
    case .dictionary, .object: node.items += items
    default: throw Self.malformed
    }
  }

  private func pairs(_ items: [PickleItem]) throws -> [PickleItem] {
    guard items.count.isMultiple(of: 2) else { throw Self.malformed }
    return items
  }

  /// REDUCE: calls what lies under the argument tuple, if it is something this machine can evaluate itself.
  private func reduce() throws {
    let items = try pop(2)
    guard let global = items[0].global, case .tuple? = items[1].node?.kind, let arguments = items[1].sequence else {
      throw Failure(.badInput, "asks to call something that is not a named class", hint: "do not trust this file")
    }
    try push(try call(global, arguments))
  }

  // MARK: Literals

  private func bytes(_ count: some FixedWidthInteger) throws -> UnsafeRawBufferPointer {
    guard let count = Int(exactly: count) else { throw Self.malformed }
    return try reader.take(count)
  }

  /// Long ones are left in the file where the machine knows it.
  private func byteString(_ count: some FixedWidthInteger) throws -> PickleItem {
    let content = try bytes(count)
    guard let file, content.count >= Limit.copied, let start = file.bytes.baseAddress, let first = content.baseAddress
    else { return .bytes(Array(content)) }
    let offset = first - start
    return .stored(try TensorStorage(file: file, range: offset..<offset + content.count))
  }

  private func string(_ count: some FixedWidthInteger) throws -> String {
    guard let string = String(validating: try bytes(count), as: UTF8.self) else {
      throw Failure(.badInput, "holds a pickle with text that is not UTF-8")
    }
    return string
  }

  private func text(_ bytes: UnsafeRawBufferPointer) throws -> String {
    guard let string = String(validating: bytes, as: UTF8.self) else { throw Self.malformed }
    return string
  }

  private func index(text bytes: UnsafeRawBufferPointer) throws -> Int {
    guard let index = Int(try text(bytes)) else { throw Self.malformed }
    return index
  }

  private func float(text bytes: UnsafeRawBufferPointer) throws -> Double {
    guard let value = Double(try text(bytes)) else { throw Self.malformed }
    return value
  }

  /// Protocol 0 writes truth values as the integers "00" and "01", and long integers with a final L.
  private func integer(text bytes: UnsafeRawBufferPointer) throws -> PickleItem {
    let text = try text(bytes)
    if text == "00" || text == "01" { return .bool(text == "01") }
    guard let value = Int(text.hasSuffix("L") ? String(text.dropLast()) : text) else {
      throw Failure(.badInput, "holds an integer beyond 64 bits")
    }
    return .int(value)
  }

  /// Two's complement, least significant byte first.
  private static func integer(_ bytes: UnsafeRawBufferPointer) -> PickleItem {
    guard let top = bytes.last else { return .int(0) }
    let sign: UInt8 = top & 0x80 == 0 ? 0 : 0xFF
    guard bytes.count <= 8 || bytes[8...].allSatisfy({ $0 == sign }) && (bytes[7] ^ sign) & 0x80 == 0 else {
      return .bigInteger(Array(bytes))
    }
    var value = UInt64(truncatingIfNeeded: Int64(Int8(bitPattern: sign)))
    for byte in bytes.prefix(8).reversed() { value = value << 8 | UInt64(byte) }
    return .int(Int(Int64(bitPattern: value)))
  }

  /// A protocol 0 byte string in quotes with Python's backslash escapes.
  private func quotedString(_ line: UnsafeRawBufferPointer) throws -> String {
    guard line.count >= 2, line.first == line.last, let quote = line.first, quote == 0x27 || quote == 0x22 else {
      throw Self.malformed
    }
    var out: [UInt8] = []
    var rest = line.dropFirst().dropLast()
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        out.append(byte)
        continue
      }
      guard let escape = rest.popFirst() else { throw Self.malformed }
      switch escape {
      case UInt8(ascii: "n"): out.append(0x0A)
      case UInt8(ascii: "r"): out.append(0x0D)
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "\\"), 0x27, 0x22: out.append(escape)
      case UInt8(ascii: "x"):
        guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
          throw Self.malformed
        }
        rest = rest.dropFirst(2)
        out.append(value)
      default: throw Self.malformed
      }
    }
    return String(latin1: out)
  }

  /// Protocol 0 text: Latin-1 with \uXXXX and \UXXXXXXXX for what does not fit.
  private func escapedString(_ line: UnsafeRawBufferPointer) throws -> String {
    var scalars = String.UnicodeScalarView()
    var rest = line[...]
    while let byte = rest.popFirst() {
      let digits = rest.first == UInt8(ascii: "u") ? 4 : rest.first == UInt8(ascii: "U") ? 8 : 0
      guard byte == UInt8(ascii: "\\"), digits > 0 else {
        scalars.append(Unicode.Scalar(byte))
        continue
      }
      guard let code = UInt32(String(decoding: rest.dropFirst().prefix(digits), as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(code)
      else { throw Self.malformed }
      rest = rest.dropFirst(digits + 1)
      scalars.append(scalar)
    }
    return String(scalars)
  }
}
