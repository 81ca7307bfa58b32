import Basics
import CSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The memory this process comes to occupy beyond what it had, as the kernel counts it; nothing is known elsewhere than
/// on Linux.
struct MemoryMeter {
  private let before: Int?
  /// The highest value of earlier work, where the kernel does not forget it.
  private let highestBefore: Int?

  init() {
    // Training leaves the heap full of freed pages. What is measured would take those, and seem to need no memory at all.
    mt_return_free_memory()
    Self.forgetHighest()
    let before = Self.kilobytes("VmRSS:")
    let highest = Self.kilobytes("VmHWM:")
    self.before = before
    // The kernel's counters of many processors are added up only now and then, so both need not be exactly equal.
    let isForgotten = (highest ?? 0) <= (before ?? 0) + Self.slack
    highestBefore = isForgotten ? nil : highest
  }

  /// Bytes at the worst moment since; nil also where earlier work hides it.
  var peak: Int? {
    guard let before, let highest = Self.kilobytes("VmHWM:"), highest > highestBefore ?? -1 else { return nil }
    return max(0, highest - before) << 10
  }

  /// Kilobytes.
  private static let slack = 16 << 10

  /// Writing 5 makes the kernel count the highest value from here. Some sandboxes do not let one.
  private static func forgetHighest() {
    #if canImport(Glibc)
      let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return }
      _ = write(descriptor, "5", 1)
      close(descriptor)
    #endif
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
