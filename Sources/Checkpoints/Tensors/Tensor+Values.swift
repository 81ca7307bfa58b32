import Basics

extension Tensor {
  /// Whether the elements lie one after the other in C order, with no gaps.
  public var isContiguous: Bool {
    var expected = 1
    for axis in shape.indices.reversed() where shape[axis] != 1 {
      if strides[axis] != expected { return count == 0 }
      expected *= shape[axis]
    }
    return true
  }

  /// The elements as they lie in the file, little-endian; nil when they are not contiguous.
  ///
  /// The pointer is valid as long as `storage` lives.
  public var rawBytes: UnsafeRawBufferPointer? {
    guard isContiguous else { return nil }
    guard count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let start = offset * elementType.size
    return UnsafeRawBufferPointer(rebasing: storage.bytes[start..<start + count * elementType.size])
  }

  /// All elements in C order, converted to Float (integers beyond 2^24 and doubles are rounded).
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { out, filled in
      copyFloats(to: out)
      filled = count
    }
  }

  /// All elements in C order as integers; fractions are cut off, as a Python `int()` does.
  ///
  /// Throws `badInput` when an element does not fit a 64-bit integer.
  public func integers() throws -> [Int] {
    var out: [Int] = []
    out.reserveCapacity(count)
    let type = elementType
    let bytes = storage.bytes
    var fits = true
    forEachPosition { position in
      guard let value = Self.integer(type, bytes, position) else {
        fits = false
        return
      }
      out.append(value)
    }
    guard fits else { throw Failure(.badInput, "holds a number that does not fit a 64-bit integer") }
    return out
  }

  /// All elements in C order as doubles (64-bit integers beyond 2^53 are rounded).
  public func doubles() -> [Double] {
    var out: [Double] = []
    out.reserveCapacity(count)
    let type = elementType
    let bytes = storage.bytes
    forEachPosition { out.append(Self.double(type, bytes, $0)) }
    return out
  }

  /// Calls `body` with the elements in C order as Float: straight from the file when they are aligned, contiguous
  /// float32, from a temporary copy otherwise. The buffer must not be used after `body` has returned.
  public func withContiguousFloats<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    if elementType == .float32, let raw = rawBytes, UInt(bitPattern: raw.baseAddress) % 4 == 0 {
      return try withExtendedLifetime(storage) {
        try body(UnsafeBufferPointer(start: raw.baseAddress?.assumingMemoryBound(to: Float.self), count: count))
      }
    }
    return try floats().withUnsafeBufferPointer(body)
  }

  /// Writes all elements in C order to `out`, which must hold at least `count` values.
  func copyFloats(to out: UnsafeMutableBufferPointer<Float>) {
    let type = elementType
    let bytes = storage.bytes
    withExtendedLifetime(storage) {
      if type == .float32, let raw = rawBytes {
        UnsafeMutableRawBufferPointer(out).copyMemory(from: raw)
        return
      }
      var next = 0
      forEachPosition { position in
        out[next] =
          switch type {
          case .float32: bytes.loadUnaligned(fromByteOffset: position * 4, as: Float.self)
          case .float16: float(half: bytes.loadUnaligned(fromByteOffset: position * 2, as: UInt16.self))
          default: Float(Self.double(type, bytes, position))
          }
        next += 1
      }
    }
  }

  /// Calls `body` with the position in the storage (in elements) of every element, in C order.
  private func forEachPosition(_ body: (Int) -> Void) {
    guard count > 0 else { return }
    guard let inner = shape.last, let innerStride = strides.last else { return body(offset) }
    let outer = shape.dropLast()
    var index = [Int](repeating: 0, count: outer.count)
    var start = offset
    for _ in 0..<count / inner {
      for step in 0..<inner { body(start + step * innerStride) }
      for axis in outer.indices.reversed() {
        index[axis] += 1
        start += strides[axis]
        if index[axis] < outer[axis] { break }
        start -= strides[axis] * outer[axis]
        index[axis] = 0
      }
    }
  }

  private static func double(_ type: ElementType, _ bytes: UnsafeRawBufferPointer, _ position: Int) -> Double {
    let at = position * type.size
    return switch type {
    case .float64: bytes.loadUnaligned(fromByteOffset: at, as: Double.self)
    case .float32: Double(bytes.loadUnaligned(fromByteOffset: at, as: Float.self))
    case .float16: Double(float(half: bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self)))
    case .bfloat16: Double(float(brain: bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self)))
    case .int64: Double(bytes.loadUnaligned(fromByteOffset: at, as: Int64.self))
    case .int32: Double(bytes.loadUnaligned(fromByteOffset: at, as: Int32.self))
    case .int16: Double(bytes.loadUnaligned(fromByteOffset: at, as: Int16.self))
    case .int8: Double(bytes.loadUnaligned(fromByteOffset: at, as: Int8.self))
    case .uint64: Double(bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
    case .uint32: Double(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    case .uint16: Double(bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self))
    case .uint8: Double(bytes[at])
    case .bool: bytes[at] == 0 ? 0 : 1
    }
  }

  private static func integer(_ type: ElementType, _ bytes: UnsafeRawBufferPointer, _ position: Int) -> Int? {
    switch type {
    case .int64: Int(bytes.loadUnaligned(fromByteOffset: position * 8, as: Int64.self))
    case .uint64: Int(exactly: bytes.loadUnaligned(fromByteOffset: position * 8, as: UInt64.self))
    default: Int(exactly: double(type, bytes, position).rounded(.towardZero))
    }
  }
}

/// An IEEE 754 binary16 number as Float, exactly.
func float(half bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let magnitude = UInt32(bits & 0x7FFF) << 13
  if bits & 0x7C00 == 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000 | magnitude) }
  // The exponents differ by 112, and multiplying by 2^112 also brings the subnormal numbers into place.
  let scaled = Float(bitPattern: magnitude) * Float(sign: .plus, exponent: 112, significand: 1)
  return Float(bitPattern: sign | scaled.bitPattern)
}

/// A bfloat16 number as Float, exactly.
func float(brain bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
