import Basics
import Imaging

/// A 3D NIfTI image as nibabel reads it: in the orientation of the file, scaled in double precision, NaN included.
public struct NIfTIImage: Sendable {
  public var template: NIfTITemplate
  /// (Z, Y, X), rounded to floats. Of an image with more than three axes, the first volume.
  public var voxels: Volume<Float>
  /// The same in double precision, when floats cannot hold every value exactly; nil when they can, as they can for all
  /// but large integers and scaled or 64-bit fractions.
  public var exactVoxels: Volume<Double>?
  /// What is odd but not wrong, as sentences.
  public var warnings: [String]

  /// Reads a .nii or .nii.gz file, or a pair of .hdr and .img.
  ///
  /// Throws `missingInput`, and `badInput` for damaged files, for fewer than three axes, for colours and complex numbers.
  public init(path: String) throws {
    self = try locating(path) { try NIfTIImage(decoding: path) }
  }

  private init(decoding path: String) throws {
    let image = try NIfTI.open(path)
    guard let header = image.nifti else { throw Failure(.internalError, "the NIfTI reader gave no header") }
    template = try NIfTITemplate(path: path)
    let sizes = header.dimensions
    guard sizes.count >= 3 else {
      throw Failure(
        .badInput, "has \(sizes.count) dimensions, but a volume is needed", hint: "stack the slices to a 3D image")
    }
    let shape = Shape3D(sizes[2], sizes[1], sizes[0])
    _ = try voxelCount(Array(sizes[..<3]))
    warnings = []
    if sizes.count > 3 {
      let extents = sizes.map(String.init).joined(separator: " x ")
      warnings.append("has \(sizes.count) dimensions (\(extents)); only the first volume is used")
    }
    var conversion = image.voxels.conversion
    conversion.rescale = try header.nibabelRescale()
    conversion.zeroesNonFinite = false
    let encoded = try EncodedVoxels(
      storage: image.voxels.storage, encoding: image.voxels.encoding, skip: image.voxels.skip, conversion: conversion,
      count: shape.count)
    if conversion.alwaysFitsFloats {
      voxels = try Self.decode(encoded, shape)
      return
    }
    let exact = try Volume<Double>(shape: shape) { try encoded.decode(into: $0) }
    var fits = true
    voxels = Volume(shape: shape) { target in
      exact.elements.withUnsafeBufferPointer { source in
        for index in 0..<target.count {
          let value = Float(source[index])
          target[index] = value
          fits = fits && (Double(value) == source[index] || source[index].isNaN)
        }
      }
    }
    exactVoxels = fits ? nil : exact
  }

  private static func decode(_ encoded: EncodedVoxels, _ shape: Shape3D) throws -> Volume<Float> {
    let elements = try [Float](unsafeUninitializedCapacity: shape.count + encoded.usefulSlack) { buffer, initialized in
      let room = UnsafeMutableBufferPointer(start: buffer.baseAddress, count: shape.count + encoded.usefulSlack)
      try encoded.decode(into: room)
      initialized = shape.count
    }
    return Volume(shape: shape, elements: elements)
  }
}

extension VoxelConversion {
  /// Whether every number this conversion can give is a float already: whole numbers below 2^24, and floats as they are.
  var alwaysFitsFloats: Bool {
    let largest: Double
    switch type {
    case .uint8, .int8: largest = 255
    case .uint16, .int16: largest = 65535
    case .float32: return rescale.isIdentity
    case .uint32, .int32, .uint64, .int64, .float64: return false
    }
    let (slope, intercept) = (rescale.slope, rescale.intercept)
    return slope.rounded() == slope && intercept.rounded() == intercept
      && abs(slope) * largest + abs(intercept) < 0x1p24
  }

  /// Converts `count` numbers without rounding to floats, on all cores. `source` may be unaligned.
  func convert(_ source: UnsafeRawPointer, to target: UnsafeMutablePointer<Double>, count: Int) {
    let shared = Shared((source: source, target: target))
    Parallel.ranges(count, minimum: 1 << 18) { range in
      let (source, target) = (shared.value.source + range.lowerBound * type.byteCount, shared.value.target)
      let part = UnsafeMutableBufferPointer(start: target + range.lowerBound, count: range.count)
      switch type {
      case .uint8: widen(UInt8.self, source, part) { Double($0) }
      case .int8: widen(Int8.self, source, part) { Double($0) }
      case .uint16: widen(UInt16.self, source, part) { Double($0) }
      case .int16: widen(Int16.self, source, part) { Double($0) }
      case .uint32: widen(UInt32.self, source, part) { Double($0) }
      case .int32: widen(Int32.self, source, part) { Double($0) }
      case .uint64: widen(UInt64.self, source, part) { Double($0) }
      case .int64: widen(Int64.self, source, part) { Double($0) }
      case .float32: widen(UInt32.self, source, part) { Double(Float(bitPattern: $0)) }
      case .float64: widen(UInt64.self, source, part) { Double(bitPattern: $0) }
      }
    }
  }

  @inline(__always)
  private func widen<Number: FixedWidthInteger & BitwiseCopyable>(
    _: Number.Type, _ source: UnsafeRawPointer, _ target: UnsafeMutableBufferPointer<Double>,
    _ value: (Number) -> Double
  ) {
    for index in target.indices {
      let raw = source.loadUnaligned(fromByteOffset: index &* MemoryLayout<Number>.size, as: Number.self)
      let number = value(isBigEndian ? Number(bigEndian: raw) : Number(littleEndian: raw))
      target[index] = rescale.isIdentity ? number : number * rescale.slope + rescale.intercept
    }
  }
}
