import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the program says: results on standard output, complaints and progress on standard error.
///
/// Lines are written at once and unbuffered, so that they appear as they happen in a pipe or a log file too.
enum Console {
  static func print(_ line: String) { put(line + "\n", on: STDOUT_FILENO) }

  static func error(_ line: String) { put(line + "\n", on: STDERR_FILENO) }

  /// Whether a person watches standard error.
  static let isInteractive = isatty(STDERR_FILENO) == 1

  /// Shows a line that the next one replaces.
  static func transient(_ line: String) { put("\r\u{1B}[K" + line, on: STDERR_FILENO) }

  static func clearTransient() { put("\r\u{1B}[K", on: STDERR_FILENO) }

  private static func put(_ text: String, on descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while let base = rest.baseAddress, !rest.isEmpty {
        let written = write(descriptor, base, rest.count)
        // Nobody may be reading any more; that is no reason to stop segmenting.
        guard written > 0 else { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }
}

extension Double {
  /// `12 s`, `3 min 20 s`, `1 h 5 min`.
  var duration: String {
    guard isFinite, self < 1e9 else { return "?" }
    if self < 10 { return "\(brief) s" }
    let seconds = Int(rounded())
    if seconds < 60 { return "\(seconds) s" }
    if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
    return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
  }
}
