import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The memory this process comes to occupy beyond what it had, as the kernel counts it; nothing is known elsewhere than
/// on Linux.
struct MemoryMeter {
  private let before: Int?

  init() {
    #if canImport(Glibc)
      // Writing 5 forgets the highest value so far.
      if let file = fopen("/proc/self/clear_refs", "w") {
        fputs("5", file)
        fclose(file)
      }
    #endif
    before = Self.kilobytes("VmRSS:")
  }

  /// Bytes at the worst moment since.
  var peak: Int? {
    guard let before, let highest = Self.kilobytes("VmHWM:") else { return nil }
    return max(0, highest - before) << 10
  }

  private static func kilobytes(_ key: String) -> Int? {
    // Files of /proc have no size, so they are not mapped.
    guard let file = fopen("/proc/self/status", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let bytes = line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      let text = String(decoding: bytes, as: UTF8.self)
      guard text.hasPrefix(key) else { continue }
      return Int(text.split { !$0.isNumber }.first ?? "")
    }
    return nil
  }
}
