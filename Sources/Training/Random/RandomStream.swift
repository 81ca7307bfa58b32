/// One of many independent streams of random numbers (SplitMix64).
///
/// A stream is named by a seed, a purpose and an index, so that what is drawn for the hundredth sample does not depend on
/// what was drawn before it, on how many threads draw, or on whether training was interrupted.
public struct RandomStream: RandomNumberGenerator, Sendable {
  /// What a stream is for; the raw value is part of its name.
  public enum Purpose: UInt64, Sendable {
    case parameters = 1
    case trainingSample, validationSample
  }

  private var state: UInt64

  public init(seed: UInt64, purpose: Purpose, index: Int) {
    let name = Self.mix(purpose.rawValue &* 0xA076_1D64_78BD_642F &+ UInt64(bitPattern: Int64(index)))
    state = Self.mix(seed ^ name)
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in [0, 1).
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number between two bounds.
  public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

  /// An integer between two bounds, both included.
  public mutating func integer(_ low: Int, _ high: Int) -> Int { Int.random(in: low...max(low, high), using: &self) }

  /// True with the given probability.
  public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

  /// Two normally distributed numbers (Box and Muller).
  mutating func normals() -> (Float, Float) {
    let radius = squareRoot(-2 * logarithm(1 - uniform()))
    let angle = 2 * Double.pi * uniform()
    return (Float(radius * cosine(angle)), Float(radius * sine(angle)))
  }
}
