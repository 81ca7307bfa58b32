#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension Path {
  /// What a path leads to, through links: two paths with the same identity are one file or folder.
  private struct Identity: Hashable {
    let device: UInt64
    let number: UInt64

    /// nil when nothing is there.
    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt64(truncatingIfNeeded: status.st_dev)
      number = UInt64(truncatingIfNeeded: status.st_ino)
    }
  }

  /// The first of `outputs` that is the same file as one of `inputs`, under whatever name; nil when none is.
  public static func firstOverwriting(_ inputs: some Sequence<String>, among outputs: some Sequence<String>) -> String?
  {
    let known = Set(inputs.compactMap { Identity($0) })
    return outputs.first { output in Identity(output).map { known.contains($0) } ?? false }
  }

  /// Where a chain of symbolic links leads, whether or not anything is there; `path` itself when it is no link.
  public static func followingLinks(_ path: String) -> String {
    var target = path
    // As many as the kernel follows.
    for _ in 0..<40 {
      var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
      let length = readlink(target, &buffer, buffer.count)
      guard length > 0 else { return target }
      let link = String(decoding: buffer.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
      target = link.hasPrefix("/") ? link : join(split(target).folder, link)
    }
    return path
  }
}
