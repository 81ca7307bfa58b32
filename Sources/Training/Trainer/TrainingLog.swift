import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The text file beside the checkpoints that says what happened when, line by line.
final class TrainingLog {
  private let descriptor: Int32
  let path: String

  /// Begins a file named by the time. Throws `cannotWrite`.
  init(folder: String) throws {
    let now = Clock.local()
    let name =
      "training_log_\(now.year)_\(now.month)_\(now.day)_\(two(now.hour))_\(two(now.minute))_\(two(now.second)).txt"
    path = Path.join(folder, name)
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw Failure(.cannotWrite, "cannot be written: \(systemMessage())", file: path)
    }
  }

  deinit { close(descriptor) }

  /// Adds a line with the time before it. A full disk does not stop training; the next checkpoint will.
  func write(_ text: String) {
    let now = Clock.local()
    let date = "\(now.year)-\(two(now.month))-\(two(now.day))"
    let digits = String(now.microsecond)
    let fraction = String(repeating: "0", count: 6 - digits.count) + digits
    var line = "\(date) \(two(now.hour)):\(two(now.minute)):\(two(now.second)).\(fraction): \(text) \n"
    line.withUTF8 { bytes in
      #if canImport(Glibc)
        _ = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
      #else
        _ = Darwin.write(descriptor, bytes.baseAddress, bytes.count)
      #endif
    }
  }
}

private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

/// The time of day.
enum Clock {
  struct Local {
    var year, month, day, hour, minute, second, microsecond: Int
  }

  /// Seconds since 1970.
  static func seconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
  }

  static func local() -> Local {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    var seconds = now.tv_sec
    localtime_r(&seconds, &parts)
    return Local(
      year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
      hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: Int(parts.tm_sec),
      microsecond: Int(now.tv_nsec) / 1000)
  }
}
