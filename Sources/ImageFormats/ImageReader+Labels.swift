import Basics
import Imaging

/// A segmentation read from a file.
public struct LabelImage: Sendable {
  public var labels: LabelMap
  /// Voxel spacing in mm, (Z, Y, X).
  public var spacing: Vector3D
  public var geometry: SourceGeometry
  public var warnings: [String]
}

extension ImageReader {
  /// Reads a segmentation: one channel of whole numbers from 0 to 65535, rounded to the nearest.
  ///
  /// Throws `missingInput` or `badInput` as `read` does, and `badInput` for numbers that cannot be labels.
  public func readLabels(_ path: String) throws -> LabelImage {
    let file = try ChannelFile(EncodedImage.open(path), reader: self)
    guard file.channels == 1 else { throw Failure(.badInput, "has \(file.channels) channels, not labels", file: path) }
    var (spacing, warnings) = (file.spacing, [String]())
    var geometry = file.geometry
    if self == .tiff3D {
      let (found, warning) = try TIFFSpacing.read(path, areLabels: true)
      spacing = found
      geometry = .tiff(spacing: found)
      warnings = warning.map { [$0] } ?? []
    }
    let labels = try locating(path) { try Self.decodeLabels(file) }
    return LabelImage(labels: labels, spacing: spacing, geometry: geometry, warnings: warnings)
  }

  /// Labels stored as bytes, as nearly all are, need no detour through floats.
  private static func decodeLabels(_ file: ChannelFile) throws -> LabelMap {
    if let bytes = try file.image.voxels.decodeBytes() {
      return .uint8(file.orientation.apply(to: Volume(shape: file.shape, elements: bytes)))
    }
    return try LabelMap(rounding: file.orientation.apply(to: ChannelFile.decode([file])))
  }
}

extension LabelMap {
  /// Labels from floats, rounded to the nearest whole number: 8 bits when none exceeds 255, else 16.
  ///
  /// Only the first channel is used. Throws `badInput` for values below 0 or above 65535, and for NaN.
  public init(rounding volume: Volume<Float>) throws {
    let highest = try Self.highestLabel(volume.elements, count: volume.shape.count)
    self =
      highest <= 255
      ? .uint8(Self.rounded(volume, to: UInt8.self)) : .uint16(Self.rounded(volume, to: UInt16.self))
  }

  /// Rounds to the nearest whole number, halves to even, where |value| < 2^22; larger values stay large and NaN stays
  /// NaN. The sum has no bits left for a fraction.
  @inline(__always)
  private static func rounded(_ values: SIMD8<Float>) -> SIMD8<Float> { (values + 0x1.8p23) - 0x1.8p23 }

  /// The largest rounded value. Throws `badInput` when one is no label.
  private static func highestLabel(_ values: [Float], count: Int) throws -> Float {
    let piece = 1 << 18
    let pieces = (count + piece - 1) / piece
    // NaN marks a piece with a value out of range.
    var results = [Float](repeating: 0, count: pieces)
    values.withUnsafeBytes { values in
      results.withUnsafeMutableBufferPointer { results in
        let shared = Shared((values: values, results: results))
        Parallel.forEach(pieces) { index in
          let (start, end) = (index * piece, min(count, (index + 1) * piece))
          var highest = SIMD8<Float>(repeating: 0)
          var outside = SIMDMask<SIMD8<Int32>>(repeating: false)
          func check(_ values: SIMD8<Float>) {
            let whole = rounded(values)
            // NaN is neither, and so counts as outside.
            let isLabel = (whole .>= 0) .& (whole .<= 65535)
            outside .|= .!isLabel
            highest = highest.replacing(with: whole, where: whole .> highest)
          }
          var position = start
          while position + 8 <= end {
            check(shared.value.values.loadUnaligned(fromByteOffset: position * 4, as: SIMD8<Float>.self))
            position += 8
          }
          while position < end {
            check(SIMD8(repeating: shared.value.values.loadUnaligned(fromByteOffset: position * 4, as: Float.self)))
            position += 1
          }
          shared.value.results[index] = any(outside) ? .nan : highest.max()
        }
      }
    }
    if results.contains(where: \.isNaN) {
      let culprit = values[..<count].first { !(rounded(SIMD8(repeating: $0))[0] >= 0 && $0 < 65535.5) }
      throw Failure(
        .badInput, "holds \(culprit ?? .nan), which is no label", hint: "labels are whole numbers from 0 to 65535")
    }
    return results.max() ?? 0
  }

  private static func rounded<Label: FixedWidthInteger & BitwiseCopyable & Sendable>(
    _ volume: Volume<Float>, to: Label.Type
  ) -> Volume<Label> {
    Volume(shape: volume.shape) { target in
      volume.elements.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let shared = Shared((from: from, to: to))
        Parallel.ranges(target.count, minimum: 1 << 18) { range in
          for index in range {
            // In range: the caller has checked every value. The sum's lowest bits are the whole number.
            let bits = (shared.value.from[index] + 0x1.8p23).bitPattern
            shared.value.to[index] = Label(truncatingIfNeeded: bits)
          }
        }
      }
    }
  }
}
