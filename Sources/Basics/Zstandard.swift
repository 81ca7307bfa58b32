import CSystem

/// Zstandard data (RFC 8878), decompressed by the system's libzstd, which is loaded when it is first needed.
public enum Zstandard {
  private typealias Decompress = @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeRawPointer?, Int) -> Int

  private static let decompressor: Decompress? = {
    for name in ["libzstd.so.1", "libzstd.1.dylib", "/opt/homebrew/lib/libzstd.1.dylib", "libzstd.so"] {
      if let library = mt_library_open(name), let symbol = mt_library_symbol(library, "ZSTD_decompress") {
        return unsafeBitCast(symbol, to: Decompress.self)
      }
    }
    return nil
  }()

  /// Whether the library was found.
  public static var isAvailable: Bool { decompressor != nil }

  /// Decompresses `source` into `output`. Returns whether it was filled exactly; throws `missingInput` without the library.
  public static func decompress(
    _ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws -> Bool {
    guard let decompressor else {
      throw Failure(
        .missingInput, "is compressed with Zstandard, which cannot be read without the library libzstd",
        hint: "install it (Debian, Ubuntu: apt install libzstd1)")
    }
    // Errors are codes beyond any size.
    return decompressor(output.baseAddress, output.count, source.baseAddress, source.count) == output.count
  }
}
