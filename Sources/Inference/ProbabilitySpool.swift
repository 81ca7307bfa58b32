import Basics
import Imaging

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The probabilities of a whole original image, (K, Z, Y, X), in a nameless temporary file mapped into memory.
///
/// Slabs arrive class-interleaved while the file format wants class after class, so they are spooled; the operating
/// system, not this process, decides how much of the file stays in memory.
public final class ProbabilitySpool: @unchecked Sendable {
  public let channels: Int
  public let shape: Shape3D
  private let values: UnsafeMutablePointer<Float>
  private let byteCount: Int
  private let origin: Int
  private let strides: Shape3D
  private let scratch: ScratchFolder

  /// - Parameters:
  ///   - folder: where the temporary file goes: the folder of the output, which must have the room.
  ///   - transpose, offset: as for `LabelCanvas`.
  ///   - hasBackground: outside the crop, channel 0 has probability one (labels); otherwise all are zero (regions).
  public init(
    channels: Int, shape: Shape3D, transpose: [Int], offset: Shape3D, hasBackground: Bool, folder: String
  ) throws {
    self.channels = channels
    self.shape = shape
    byteCount = max(1, channels * shape.count * MemoryLayout<Float>.size)
    // Some file systems keep a hidden file in the folder until the last user of a removed one is gone.
    scratch = try ScratchFolder(in: folder)
    let path = Path.join(scratch.path, "probabilities")
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw Failure(.cannotWrite, "no temporary file can be made: \(systemMessage())", file: folder)
    }
    defer { close(descriptor) }
    unlink(path)
    // Reserving the blocks now turns a full disk into an error here instead of a signal while the mapping is written.
    let reserved = posix_fallocate(descriptor, 0, off_t(byteCount))
    guard reserved == 0 else {
      throw Failure(
        .cannotWrite, "there is no room for \(byteCount) bytes of probabilities: \(systemMessage(reserved))",
        file: folder,
        hint: "free some space or leave out --save_probabilities")
    }
    guard let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), address != MAP_FAILED
    else {
      throw Failure(
        .cannotWrite, "\(byteCount) bytes of probabilities cannot be mapped into memory: \(systemMessage())",
        file: folder,
        hint: "leave out --save_probabilities")
    }
    values = address.bindMemory(to: Float.self, capacity: channels * shape.count)
    strides = Shape3D(shape.y * shape.x, shape.x, 1).permuted(transpose)
    origin = offset.z * strides.z + offset.y * strides.y + offset.x * strides.x
    if hasBackground { values.update(repeating: 1, count: shape.count) }
  }

  deinit { munmap(values, byteCount) }

  /// All probabilities, (K, Z, Y, X).
  public var elements: UnsafeBufferPointer<Float> { UnsafeBufferPointer(start: values, count: channels * shape.count) }

  /// Stores row (z, y) of the cropped grid, (K, X). Rows may be stored from several threads at once.
  func store(_ row: UnsafePointer<Float>, count: Int, z: Int, y: Int) {
    let start = origin + z * strides.z + y * strides.y
    for channel in 0..<channels {
      let target = values + channel * shape.count + start
      for x in 0..<count { target[x * strides.x] = row[channel * count + x] }
    }
  }
}
