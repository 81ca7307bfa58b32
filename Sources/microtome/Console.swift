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
  var brief: String { rounded(to: self < 1 ? 3 : self < 10 ? 2 : self < 100 ? 1 : 0) }

  private func rounded(to digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let value = (self * scale).rounded() / scale
    guard digits > 0 else { return value.isFinite && abs(value) < 1e15 ? String(Int(value)) : "\(value)" }
    let text = "\(value)"
    let decimals = text.split(separator: ".").last?.count ?? 0
    return text + String(repeating: "0", count: max(0, digits - decimals))
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
