import CSystem
import Dispatch

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Data-parallel loops over the cores this process may use.
public enum Parallel {
  /// The number of cores this process may run on: the scheduler's affinity mask, capped by a cgroup CPU quota.
  public static let coreCount: Int = {
    let scheduled = Int(mt_schedulable_processors())
    let count = scheduled > 0 ? scheduled : Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    guard let quota = cgroupQuota() else { return max(1, count) }
    return max(1, min(count, Int(quota.rounded(.up))))
  }()

  /// Calls `body` for every index in `0..<count`, spread over all cores, and returns when all calls have returned.
  ///
  /// `body` must touch only what belongs to its index.
  public static func forEach(_ count: Int, _ body: @Sendable (Int) -> Void) {
    if count <= 1 || coreCount == 1 {
      for index in 0..<max(0, count) { body(index) }
    } else {
      DispatchQueue.concurrentPerform(iterations: count, execute: body)
    }
  }

  /// Splits `0..<count` into contiguous ranges of at least `minimum` items and calls `body` for each, on all cores.
  public static func ranges(_ count: Int, minimum: Int = 1, _ body: @Sendable (Range<Int>) -> Void) {
    guard count > 0 else { return }
    // Four pieces a core: enough to even out pieces that differ in cost, few enough to keep each one long.
    let pieces = max(1, min(coreCount * 4, count / max(1, minimum)))
    forEach(pieces) { piece in body(count * piece / pieces..<count * (piece + 1) / pieces) }
  }

  /// The CPU quota of this process's cgroup (v2) in cores, or nil when there is none.
  private static func cgroupQuota() -> Double? {
    guard let file = fopen("/sys/fs/cgroup/cpu.max", "r") else { return nil }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 64)
    guard fgets(&buffer, Int32(buffer.count), file) != nil else { return nil }
    let fields = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      .split(whereSeparator: \.isWhitespace)
    guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0 else {
      return nil
    }
    return quota / period
  }
}

/// Wraps a value (usually an unsafe pointer) that the compiler cannot prove safe to share, where the code around it
/// guarantees that concurrent uses do not overlap.
public struct Shared<Value>: @unchecked Sendable {
  public let value: Value
  @inlinable public init(_ value: Value) { self.value = value }
}
