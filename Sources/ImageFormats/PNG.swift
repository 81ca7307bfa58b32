import Basics
import CImageCodecs

/// PNG pictures (ISO/IEC 15948).
public enum PNG {
  /// Reads the header. Palettes become RGB, grey of 2 or 4 bits is spread to 8, grey of 1 bit is 0 and 1.
  static func open(_ file: MappedFile) throws -> EncodedImage {
    guard file.bytes.prefix(8).elementsEqual(signature) else { throw Failure(.badInput, "is not a PNG file") }
    let raster = try Raster.inspect(file) { mt_png_inspect($0, $1, $2, $3) }
    return try Raster.image(
      file, .png, raster, sizes: [Int(raster.width), Int(raster.height)], expansion: Deflate.maximumExpansion
    ) { mt_png_decode($0, $1, $2, $3, $4, $5) }
  }

  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
}
