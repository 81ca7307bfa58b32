import Basics
import CKernels

/// What the plan knows about the foreground intensities of one channel over the whole training set.
public struct IntensityProperties: Sendable, Equatable {
  public var mean: Float
  public var standardDeviation: Float
  /// The 0.5th percentile (`percentile_00_5` in plans).
  public var lowPercentile: Float
  /// The 99.5th percentile (`percentile_99_5` in plans).
  public var highPercentile: Float

  public init(mean: Float, standardDeviation: Float, lowPercentile: Float, highPercentile: Float) {
    self.mean = mean
    self.standardDeviation = standardDeviation
    self.lowPercentile = lowPercentile
    self.highPercentile = highPercentile
  }
}

/// How the intensities of one channel are brought to the scale a network was trained on (nnU-Net's schemes).
///
/// Statistics are summed in double precision; the result is computed in single precision, one rounded operation after
/// another, as numpy does.
public enum Normalization: Sendable, Equatable {
  /// Clip to the training set's percentiles, subtract its mean, divide by its standard deviation.
  case ct(IntensityProperties)
  /// Subtract the channel's mean, divide by its (population) standard deviation. When masked, over and of the voxels
  /// inside the mask only; the others keep their value.
  case zScore(masked: Bool)
  /// Leave the intensities as they are.
  case none
  /// Subtract the minimum, divide by the maximum.
  case rescale01
  /// Divide by 255.
  case rgb01

  /// No divisor is smaller than this.
  static let smallestDivisor: Float = 1e-8

  /// Normalises one channel in place, on all cores.
  ///
  /// - Parameters:
  ///   - volume: intensities, (C, Z, Y, X). NaN and infinite voxels are no error; they spoil the statistics as they
  ///     would in numpy.
  ///   - channel: which channel.
  ///   - mask: not 0 inside, one channel of the same shape; needed by `zScore(masked: true)` only.
  ///
  /// Throws `badInput` when an RGB value lies outside 0...255, and `internalError` when the mask is missing.
  public func apply(to volume: inout Volume<Float>, channel: Int, mask: Volume<UInt8>? = nil) throws {
    let count = volume.shape.count
    guard (0..<volume.channels).contains(channel), count > 0 else { return }
    try volume.elements.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      let values = ChannelValues(base: base + channel * count, count: count)
      switch self {
      case .none: return
      case .ct(let known):
        values.normalize(
          lower: known.lowPercentile, upper: known.highPercentile, offset: known.mean,
          divisor: max(known.standardDeviation, Self.smallestDivisor))
      case .zScore(masked: false):
        let moments = values.moments()
        values.normalize(offset: moments.mean, divisor: max(moments.deviation, Self.smallestDivisor))
      case .zScore(masked: true):
        guard let mask, mask.shape == volume.shape else {
          throw Failure(.internalError, "masked normalisation needs a mask of the image's shape")
        }
        mask.elements.withUnsafeBufferPointer { mask in
          guard let mask = mask.baseAddress else { return }
          let moments = values.moments(mask: mask)
          values.normalize(mask: mask, offset: moments.mean, divisor: max(moments.deviation, Self.smallestDivisor))
        }
      case .rescale01:
        let ends = IntensityRange.ends(UnsafePointer(values.base), count: count)
        guard ends.smallest <= ends.largest else { return }
        values.normalize(offset: ends.smallest, divisor: max(ends.largest - ends.smallest, Self.smallestDivisor))
      case .rgb01:
        let ends = IntensityRange.ends(UnsafePointer(values.base), count: count)
        guard ends.smallest >= 0, ends.largest <= 255 else {
          throw Failure(
            .badInput, "channel \(channel) has values from \(ends.smallest) to \(ends.largest), outside 0 to 255",
            hint: "the model was trained on 8-bit RGB images")
        }
        values.normalize(offset: 0, divisor: 255)
      }
    }
  }
}

/// The voxels of one channel, worked on in blocks of fixed size so that sums do not depend on the number of cores.
private struct ChannelValues: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>
  let count: Int
  /// 128 KiB: the second look at a block finds it in the cache.
  static let block = 1 << 15

  private var blocks: Int { (count + Self.block - 1) / Self.block }

  /// Number of values, mean, and summed squared deviations of a set of values.
  private struct Moments {
    var count = 0.0
    var mean = 0.0
    var squares = 0.0

    /// The moments of the union (Chan, Golub, LeVeque 1979).
    mutating func merge(_ other: Moments) {
      let total = count + other.count
      guard total > 0 else { return }
      let difference = other.mean - mean
      squares += other.squares + difference * difference * (count * other.count / total)
      mean += difference * (other.count / total)
      count = total
    }
  }

  /// Mean and population standard deviation, rounded to single precision.
  func moments(mask: UnsafePointer<UInt8>? = nil) -> (mean: Float, deviation: Float) {
    var parts = [Moments](repeating: Moments(), count: blocks)
    parts.withUnsafeMutableBufferPointer { parts in
      let parts = Shared(parts)
      let mask = Shared(mask)
      Parallel.ranges(blocks) { range in
        for index in range {
          let start = index * Self.block
          let size = min(Self.block, count - start)
          var selected = size
          var mean = 0.0
          var squares = 0.0
          if let mask = mask.value {
            mt_masked_moments(base + start, mask + start, size, &selected, &mean, &squares)
          } else {
            mt_moments(base + start, size, &mean, &squares)
          }
          parts.value[index] = Moments(count: Double(selected), mean: mean, squares: squares)
        }
      }
    }
    var all = Moments()
    for part in parts { all.merge(part) }
    return (Float(all.mean), Float((all.squares / max(1, all.count)).squareRoot()))
  }

  func normalize(
    lower: Float = -.infinity, upper: Float = .infinity, offset: Float, divisor: Float
  ) {
    Parallel.ranges(count, minimum: Self.block) { range in
      mt_normalize(base + range.lowerBound, range.count, lower, upper, offset, divisor)
    }
  }

  func normalize(mask: UnsafePointer<UInt8>, offset: Float, divisor: Float) {
    let mask = Shared(mask)
    Parallel.ranges(count, minimum: Self.block) { range in
      mt_masked_normalize(
        base + range.lowerBound, mask.value + range.lowerBound, range.count, offset, divisor)
    }
  }
}
