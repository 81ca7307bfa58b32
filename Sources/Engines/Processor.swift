import Basics

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the processor says about itself (Linux: the first entry of /proc/cpuinfo; elsewhere nothing).
struct Processor: Sendable {
  /// "Intel(R) Xeon(R) Platinum 8488C"; empty when unknown.
  var name: String
  /// Instruction set extensions by Linux's names: "avx2", "amx_bf16", ...
  var features: Set<String>
  /// How many hardware threads share one core.
  var threadsPerCore: Int

  static let current = Processor(description: firstEntry())

  init(description: String) {
    var fields: [Substring: Substring] = [:]
    for line in description.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[Self.trimmed(line[..<colon])] = Self.trimmed(line[line.index(after: colon)...])
    }
    name = String(fields["model name"] ?? "")
    features = Set((fields["flags"] ?? fields["Features"] ?? "").split(separator: " ").map(String.init))
    let threads = fields["siblings"].flatMap { Int($0) } ?? 1
    let cores = fields["cpu cores"].flatMap { Int($0) } ?? 1
    threadsPerCore = max(1, threads / max(1, cores))
  }

  /// Whether bfloat16 is multiplied in hardware; without that it only costs time.
  var hasNativeBF16: Bool { !features.isDisjoint(with: ["amx_bf16", "avx512_bf16"]) }
  private var hasNativeFP16: Bool { !features.isDisjoint(with: ["amx_fp16", "avx512_fp16"]) }

  /// Whether it multiplies small matrices of bfloat16 at once, many times faster than vectors.
  var multipliesMatrices: Bool { features.contains("amx_bf16") }

  /// Whether it would have to imitate such arithmetic with other instructions.
  func imitates(_ precision: Precision) -> Bool {
    switch precision {
    case .auto, .fp32: false
    case .bf16: !hasNativeBF16
    case .fp16: !hasNativeFP16
    }
  }

  /// Cores this process may use. Two threads of one core only get in each other's way in dense arithmetic.
  var physicalCores: Int { max(1, Parallel.coreCount / threadsPerCore) }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return text.drop(while: \.isWhitespace)
  }

  /// One entry fits well into the buffer; the whole file would take milliseconds on large machines.
  private static func firstEntry() -> String {
    guard let file = fopen("/proc/cpuinfo", "r") else { return "" }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 8192)
    let count = fread(&buffer, 1, buffer.count, file)
    // An empty line ends an entry.
    let newline = UInt8(ascii: "\n")
    let end = (1..<max(1, count)).first { buffer[$0] == newline && buffer[$0 - 1] == newline } ?? count
    return String(decoding: buffer[..<end], as: UTF8.self)
  }
}
