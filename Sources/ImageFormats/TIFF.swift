import Basics
import CImageCodecs

/// TIFF pictures and stacks (TIFF 6.0).
enum TIFF {
  /// Reads the headers of all pages. Several pages of one kind make a stack: index axes (X, Y, page).
  static func open(_ file: MappedFile) throws -> EncodedImage {
    let raster = try Raster.inspect(file) { mt_tiff_inspect($0, $1, $2, $3) }
    guard raster.bits >= 8 else { throw Failure(.badInput, "has \(raster.bits)-bit pixels, which is not supported") }
    var sizes = [Int(raster.width), Int(raster.height)]
    if raster.pages > 1 { sizes.append(Int(raster.pages)) }
    // LZW expands more than DEFLATE: a 12-bit code can stand for 4096 bytes.
    return try Raster.image(file, .tiff, raster, sizes: sizes, expansion: 2731) {
      mt_tiff_decode($0, $1, $2, $3, $4, $5)
    }
  }
}
