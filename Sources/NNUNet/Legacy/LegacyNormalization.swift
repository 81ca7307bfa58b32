import Basics
import Imaging

/// How nnU-Net v1 normalises one channel, after resampling.
struct LegacyNormalization: Sendable, Equatable {
  enum Scheme: Sendable, Equatable {
    /// Clipped to the training set's percentiles, then its mean and standard deviation.
    case ct(IntensityProperties)
    /// Clipped as above, then the image's own mean and standard deviation within these bounds.
    case ct2(IntensityProperties)
    /// The image's own mean and standard deviation; within the mask, if there is one.
    case zScore
    case none
    /// Divided by 255.
    case byte
  }

  var scheme: Scheme
  /// Whether voxels outside of the mask become 0.
  var usesMask: Bool

  /// Normalises a channel in place. `mask` is 1 inside, of the volume's shape; needed if the mask is used.
  func apply(to volume: inout Volume<Float>, channel: Int, mask: Volume<UInt8>?) throws {
    let mask = usesMask ? mask : nil
    switch scheme {
    case .none: return
    case .byte:
      for index in range(volume, channel) { volume.elements[index] /= 255 }
      return
    case .ct(let known): try Normalization.ct(known).apply(to: &volume, channel: channel)
    case .ct2(let known): applyOwnStatistics(to: &volume, channel: channel, known)
    case .zScore: try Normalization.zScore(masked: mask != nil).apply(to: &volume, channel: channel, mask: mask)
    }
    guard let mask else { return }
    let start = channel * volume.shape.count
    volume.elements.withUnsafeMutableBufferPointer { voxels in
      for index in mask.elements.indices where mask.elements[index] == 0 { voxels[start + index] = 0 }
    }
  }

  private func range(_ volume: Volume<Float>, _ channel: Int) -> Range<Int> {
    channel * volume.shape.count..<(channel + 1) * volume.shape.count
  }

  private func applyOwnStatistics(to volume: inout Volume<Float>, channel: Int, _ known: IntensityProperties) {
    var (sum, squares, count) = (0.0, 0.0, 0.0)
    let range = range(volume, channel)
    for index in range {
      let value = volume.elements[index]
      guard value > known.lowPercentile, value < known.highPercentile else { continue }
      sum += Double(value)
      count += 1
    }
    let mean = count > 0 ? sum / count : 0
    for index in range {
      let value = volume.elements[index]
      guard value > known.lowPercentile, value < known.highPercentile else { continue }
      squares += (Double(value) - mean) * (Double(value) - mean)
    }
    let deviation = Float((count > 0 ? squares / count : 1).squareRoot())
    for index in range {
      let value = min(max(volume.elements[index], known.lowPercentile), known.highPercentile)
      volume.elements[index] = (value - Float(mean)) / max(deviation, 1e-8)
    }
  }
}
