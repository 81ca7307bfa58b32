#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the program says: results on standard output, complaints and progress on standard error.
enum Console {
  static func print(_ line: String) { fputs(line + "\n", stdout) }

  static func error(_ line: String) { fputs(line + "\n", stderr) }

  /// Whether a person watches standard error.
  static let isInteractive = isatty(2) == 1

  /// Shows a line that the next one replaces.
  static func transient(_ line: String) { fputs("\r\u{1B}[K" + line, stderr) }

  static func clearTransient() { fputs("\r\u{1B}[K", stderr) }
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
