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
      let (found, warning) = try TIFFSpacing.read(forLabels: path)
      spacing = found
      geometry = .tiff(spacing: found)
      warnings = warning.map { [$0] } ?? []
    }
    let volume = file.orientation.apply(to: try ChannelFile.decode([file]))
    let labels = try locating(path) { try LabelMap(rounding: volume) }
    return LabelImage(labels: labels, spacing: spacing, geometry: geometry, warnings: warnings)
  }
}

extension LabelMap {
  /// Labels from floats, rounded to the nearest whole number: 8 bits when none exceeds 255, else 16.
  ///
  /// Only the first channel is used. Throws `badInput` for values below 0 or above 65535, and for NaN.
  public init(rounding volume: Volume<Float>) throws {
    let count = volume.shape.count
    let highest = try volume.elements.withUnsafeBufferPointer { values in
      var (low, high): (Float, Float) = (0, 0)
      var isOrdered = true
      for index in 0..<count {
        let value = values[index].rounded(.toNearestOrEven)
        isOrdered = isOrdered && value == value
        low = value < low ? value : low
        high = value > high ? value : high
      }
      guard isOrdered, low >= 0, high <= 65535 else {
        let culprit = isOrdered ? (low < 0 ? "\(low)" : "\(high)") : "NaN"
        throw Failure(
          .badInput, "holds \(culprit), which is no label", hint: "labels are whole numbers from 0 to 65535")
      }
      return high
    }
    self =
      highest <= 255
      ? .uint8(Self.rounded(volume, to: UInt8.self)) : .uint16(Self.rounded(volume, to: UInt16.self))
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
            // In range: the caller has checked every value.
            shared.value.to[index] = Label(
              truncatingIfNeeded: Int32(shared.value.from[index].rounded(.toNearestOrEven)))
          }
        }
      }
    }
  }
}
