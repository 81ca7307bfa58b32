import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Times reading and writing of a large scan; runs only when asked to, with
/// `MICROTOME_MEASURE_IMAGE` and `MICROTOME_MEASURE_LABELS` naming the files.
@Suite(.serialized) struct MeasurementTests {
  static let image = getenv("MICROTOME_MEASURE_IMAGE").map { String(cString: $0) }
  static let labels = getenv("MICROTOME_MEASURE_LABELS").map { String(cString: $0) }

  private func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    var best = Double.infinity
    for _ in 0..<3 {
      let time = try clock.measure(body)
      best = min(best, Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
    }
    return best
  }

  /// The most memory the process has held, in bytes, mapped files included.
  private func peakMemory() -> Int {
    var usage = rusage()
    #if canImport(Darwin)
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #else
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return usage.ru_maxrss * 1024
    #endif
  }

  @Test(.enabled(if: image != nil, "set MICROTOME_MEASURE_IMAGE to a large scan"))
  func reading() throws {
    let path = try #require(Self.image)
    let before = peakMemory()
    let voxels = try ImageReader.simpleITK.read([path]).voxels
    print("peak memory: \((peakMemory() - before) >> 20) MiB for \((voxels.elements.count * 4) >> 20) MiB of floats")
    for reader in [ImageReader.simpleITK, .nibabel, .simpleITKReoriented] {
      let time = try seconds { _ = try reader.read([path]).voxels.channels }
      print("read with \(reader.rawValue): \(time) s")
    }
    let file = try MappedFile(path: path)
    let gunzip = try seconds { _ = try Gzip.decompress(file.bytes).count }
    print("gunzip alone: \(gunzip) s")
    let header = try seconds { _ = try ImageHeader.read(path).channels }
    print("header: \(header) s")
  }

  @Test(.enabled(if: labels != nil, "set MICROTOME_MEASURE_LABELS to a large segmentation"))
  func writing() throws {
    let path = try #require(Self.labels)
    let read = try ImageReader.simpleITK.readLabels(path)
    print("read labels: \(try seconds { _ = try ImageReader.simpleITK.readLabels(path).spacing.x }) s")
    let folder = try TemporaryFolder()
    for ending in [".nii.gz", ".nrrd", ".mha", ".nii"] {
      let target = folder("labels" + ending)
      let time = try seconds { try ImageReader.simpleITK.write(read.labels, as: target, like: read.geometry) }
      print("write labels\(ending): \(time) s, \(try MappedFile(path: target).bytes.count) bytes")
    }
    guard case .uint8(let volume) = read.labels else { return }
    for level in 1...9 {
      var count = 0
      let time = try volume.elements.withUnsafeBytes { bytes in
        try seconds { count = try Gzip.compress(bytes, level: level).count }
      }
      print("gzip level \(level): \(time) s, \(count) bytes")
    }
  }
}
