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
  /// `0.042`, `1.23`, `12.3`, `123`: about three digits.
  var brief: String { decimals(self < 1 ? 3 : self < 10 ? 2 : self < 100 ? 1 : 0) }

  /// A fixed number of digits after the point.
  func decimals(_ digits: Int) -> String {
    guard isFinite, abs(self) < 1e12 else { return "\(self)" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let (whole, fraction) = Int((magnitude * Double(scale)).rounded()).quotientAndRemainder(dividingBy: scale)
    let sign = self < 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let text = String(fraction)
    return "\(sign)\(whole).\(String(repeating: "0", count: digits - text.count))\(text)"
  }

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
