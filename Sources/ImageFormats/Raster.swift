import Basics
import CImageCodecs

/// Pixels decoded by a C library, as an image of one or more pages.
enum Raster {
  typealias Step = (
    UnsafePointer<UInt8>, Int, UnsafeMutablePointer<mt_raster>, UnsafeMutablePointer<CChar>
  ) -> Int32
  typealias Decode =
    @Sendable (
      UnsafePointer<UInt8>, Int, UnsafePointer<mt_raster>, UnsafeMutablePointer<UInt8>, Int, UnsafeMutablePointer<CChar>
    ) -> Int32

  /// What a file contains. Throws `badInput` with the library's message.
  static func inspect(_ file: MappedFile, _ step: Step) throws -> mt_raster {
    var raster = mt_raster()
    guard let base = file.bytes.bindMemory(to: UInt8.self).baseAddress else { throw Failure(.badInput, "is empty") }
    try withMessage { step(base, file.bytes.count, &raster, $0) }
    return raster
  }

  /// The pixels of a file, to be decoded later. `expansion` is how many times smaller the file can be than they are.
  static func image(
    _ file: MappedFile, _ format: EncodedImage.Format, _ raster: mt_raster, sizes: [Int], expansion: Int,
    _ decode: @escaping Decode
  ) throws -> EncodedImage {
    let type = try scalarType(raster)
    let samples = Int(raster.samples)
    let count = try voxelCount(sizes + [samples])
    let byteCount = try voxelCount([count, type.byteCount])
    guard byteCount / expansion <= file.bytes.count else {
      throw Failure(.badInput, "promises \(byteCount) bytes of pixels, which \(file.bytes.count) bytes cannot hold")
    }
    let storage = EncodedVoxels.Storage.codec(count: byteCount) {
      try pixels(file, raster, count: byteCount, decode)
    }
    let voxels = try EncodedVoxels(
      storage: storage, encoding: .raw,
      conversion: VoxelConversion(type: type, isBigEndian: 1.bigEndian == 1, rescale: .none), count: count)
    return EncodedImage(
      path: file.path, format: format, type: type, sizes: sizes, components: samples,
      isInterleaved: raster.planar == 0, geometry: ITKGeometry(dimensions: sizes.count), voxels: voxels)
  }

  private static func pixels(_ file: MappedFile, _ raster: mt_raster, count: Int, _ decode: Decode) throws -> [UInt8] {
    guard let base = file.bytes.bindMemory(to: UInt8.self).baseAddress else { throw Failure(.badInput, "is empty") }
    var raster = raster
    // Zeros, because a decoder may leave pixels of a damaged file untouched.
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { buffer in
      guard let target = buffer.baseAddress else { return }
      try withMessage { decode(base, file.bytes.count, &raster, target, count, $0) }
    }
    return bytes
  }

  private static func withMessage(_ body: (UnsafeMutablePointer<CChar>) -> Int32) throws {
    var message = [CChar](repeating: 0, count: Int(MT_MESSAGE_SIZE))
    guard message.withUnsafeMutableBufferPointer({ $0.baseAddress.map(body) ?? -1 }) != 0 else { return }
    let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    throw Failure(.badInput, "cannot be decoded: \(text)")
  }

  static func scalarType(_ raster: mt_raster) throws -> ScalarType {
    switch (raster.format, raster.bits) {
    case (1, 1), (1, 8): return .uint8
    case (1, 16): return .uint16
    case (1, 32): return .uint32
    case (1, 64): return .uint64
    case (2, 8): return .int8
    case (2, 16): return .int16
    case (2, 32): return .int32
    case (2, 64): return .int64
    case (3, 32): return .float32
    case (3, 64): return .float64
    default: throw Failure(.badInput, "has \(raster.bits)-bit pixels of kind \(raster.format), which is not supported")
    }
  }
}
