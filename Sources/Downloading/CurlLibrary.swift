import Basics
import CCurl
import CSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The system's libcurl, opened when something is downloaded for the first time.
struct CurlLibrary: @unchecked Sendable {
  let api: OpaquePointer

  /// Once opened it stays open. Throws `missingInput` when the system has none.
  static func shared() throws -> CurlLibrary { try opened.get() }

  private static let opened = Result { try CurlLibrary(names: candidates) }

  private static var candidates: [String] {
    #if canImport(Darwin)
      let usual = ["libcurl.4.dylib", "/usr/lib/libcurl.4.dylib"]
    #else
      let usual = ["libcurl.so.4", "libcurl-gnutls.so.4"]
    #endif
    guard let own = getenv("MICROTOME_LIBCURL") else { return usual }
    return [String(cString: own)]
  }

  private init(names: [String]) throws {
    var reasons: [String] = []
    for name in names {
      guard let library = mt_library_open(name) else {
        reasons.append(String(cString: mt_library_error()))
        continue
      }
      var missing: UnsafePointer<CChar>?
      if let api = mt_curl_bind(library, &missing) {
        self.api = api
        return
      }
      reasons.append("\(name) lacks \(missing.map { String(cString: $0) } ?? "a function")")
    }
    throw Failure(
      .missingInput, "nothing can be downloaded without the library libcurl: \(reasons.joined(separator: "; "))",
      hint: "install it (Debian, Ubuntu: apt install libcurl4), or name it in MICROTOME_LIBCURL")
  }
}
