import Basics

/// The linear map from stored numbers to intensities that some formats carry.
struct Rescale: Equatable, Sendable {
  var slope = 1.0
  var intercept = 0.0
  /// Whether stored numbers become doubles first (nibabel) or floats first (ITK). It shows only in 32-bit and longer
  /// integers, which a float cannot hold exactly.
  var isDoublePrecision = false

  static let none = Rescale()

  var isIdentity: Bool { slope == 1 && intercept == 0 }
}

/// Turns stored numbers of any type and byte order into floats.
struct VoxelConversion: Sendable {
  var type: ScalarType
  var isBigEndian: Bool
  var rescale: Rescale
  /// Whether NaN and infinities become zero, which the NIfTI library under ITK does.
  var zeroesNonFinite = false

  /// Whether the stored bytes already are the floats.
  var isCopy: Bool { type == .float32 && !isBigEndian && rescale.isIdentity && !zeroesNonFinite }

  /// Converts `count` numbers on all cores. `source` may be unaligned and must not overlap `target`.
  func convert(_ source: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, count: Int) {
    let shared = Shared((source: source, target: target))
    Parallel.ranges(count, minimum: 1 << 18) { range in
      let (source, target) = shared.value
      convertPiece(source + range.lowerBound * type.byteCount, to: target + range.lowerBound, count: range.count)
    }
  }

  /// Converts numbers that lie in the memory of their own floats, such that number `i` never lies below float `i`.
  ///
  /// The floats before the first unread number are free to be written, so the front part is converted on all cores;
  /// that frees more room, until what remains is short, and is moved through a small buffer.
  func convertInPlace(_ source: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, count: Int) {
    if isCopy {
      memoryMove(target, source, count * 4)
      return
    }
    let size = type.byteCount
    var done = 0
    while done < count {
      let free = (source + done * size) - UnsafeRawPointer(target + done)
      let run = min(count - done, free / 4)
      guard run >= 1 << 18 else { break }
      convert(source + done * size, to: target + done, count: run)
      done += run
    }
    let blockCount = 4096
    withUnsafeTemporaryAllocation(byteCount: blockCount * size, alignment: 16) { block in
      guard let base = block.baseAddress else { return }
      while done < count {
        let run = min(blockCount, count - done)
        base.copyMemory(from: source + done * size, byteCount: run * size)
        convertPiece(UnsafeRawPointer(base), to: target + done, count: run)
        done += run
      }
    }
  }

  private func convertPiece(_ source: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, count: Int) {
    let isDouble = !rescale.isIdentity && (rescale.isDoublePrecision || type == .float64)
    switch type {
    case .uint8: integers(UInt8.self, source, target, count, isDouble)
    case .int8: integers(Int8.self, source, target, count, isDouble)
    case .uint16: integers(UInt16.self, source, target, count, isDouble)
    case .int16: integers(Int16.self, source, target, count, isDouble)
    case .uint32: integers(UInt32.self, source, target, count, isDouble)
    case .int32: integers(Int32.self, source, target, count, isDouble)
    case .uint64: integers(UInt64.self, source, target, count, isDouble)
    case .int64: integers(Int64.self, source, target, count, isDouble)
    case .float32:
      if zeroesNonFinite {
        floats(UInt32.self, source, target, count, isDouble) { Self.finite(Float(bitPattern: $0)) }
      } else {
        floats(UInt32.self, source, target, count, isDouble) { Float(bitPattern: $0) }
      }
    case .float64:
      if zeroesNonFinite {
        floats(UInt64.self, source, target, count, isDouble) { Self.finite(Double(bitPattern: $0)) }
      } else {
        floats(UInt64.self, source, target, count, isDouble) { Double(bitPattern: $0) }
      }
    }
    if !rescale.isIdentity && !isDouble {
      for index in 0..<count { target[index] = Float(Double(target[index]) * rescale.slope + rescale.intercept) }
    }
  }

  /// The value, or zero for NaN and infinities, for which a difference with itself is not zero.
  @inline(__always)
  private static func finite<Number: BinaryFloatingPoint>(_ value: Number) -> Number { value - value == 0 ? value : 0 }

  @inline(__always)
  private func floats<Bits: FixedWidthInteger & BitwiseCopyable, Number: BinaryFloatingPoint>(
    _ bits: Bits.Type, _ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int,
    _ isDouble: Bool, _ value: (Bits) -> Number
  ) {
    map(bits, source, target, count, isDouble) {
      Float(value($0))
    } wide: {
      Double(value($0))
    }
  }

  @inline(__always)
  private func integers<Number: FixedWidthInteger & BitwiseCopyable>(
    _ number: Number.Type, _ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int,
    _ isDouble: Bool
  ) {
    map(number, source, target, count, isDouble) {
      Float($0)
    } wide: {
      Double($0)
    }
  }

  @inline(__always)
  private func map<Number: FixedWidthInteger & BitwiseCopyable>(
    _: Number.Type, _ source: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>, _ count: Int, _ isDouble: Bool,
    _ narrow: (Number) -> Float, wide: (Number) -> Double
  ) {
    @inline(__always) func load(_ index: Int) -> Number {
      source.loadUnaligned(fromByteOffset: index &* MemoryLayout<Number>.size, as: Number.self)
    }
    // Adding -0 changes nothing, where adding 0 would make a positive zero of a negative one: nibabel skips the sum.
    let slope = rescale.slope
    let intercept = rescale.intercept == 0 && rescale.isDoublePrecision ? -0.0 : rescale.intercept
    switch (isBigEndian && MemoryLayout<Number>.size > 1, isDouble) {
    case (false, false): for index in 0..<count { target[index] = narrow(Number(littleEndian: load(index))) }
    case (true, false): for index in 0..<count { target[index] = narrow(Number(bigEndian: load(index))) }
    case (false, true):
      for index in 0..<count { target[index] = Float(wide(Number(littleEndian: load(index))) * slope + intercept) }
    case (true, true):
      for index in 0..<count { target[index] = Float(wide(Number(bigEndian: load(index))) * slope + intercept) }
    }
  }
}

/// Copies between areas that may overlap.
private func memoryMove(_ target: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ count: Int) {
  UnsafeMutableRawBufferPointer(start: target, count: count)
    .copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
}
