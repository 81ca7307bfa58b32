#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `value` printed by C's `printf` with `format`, which must name exactly one double.
func formatted(_ format: String, _ value: Double) -> String {
  withVaList([value]) { list in
    var buffer = [CChar](repeating: 0, count: 64)
    let count = vsnprintf(&buffer, buffer.count, format, list)
    return String(decoding: buffer.prefix(max(0, Int(count))).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
