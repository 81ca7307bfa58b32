/// Some of the labels 1...255 of an 8-bit label map. 0 is background and never a member.
public struct LabelSet: Sendable, Hashable, ExpressibleByArrayLiteral {
  private var words = SIMD4<UInt64>(repeating: 0)

  /// Every label but the background.
  public static let all = LabelSet(1...255)

  /// The labels of a sequence; 0 is passed over.
  public init(_ labels: some Sequence<UInt8>) {
    for label in labels { insert(label) }
  }

  public init(arrayLiteral labels: UInt8...) { self.init(labels) }

  public var isEmpty: Bool { words == SIMD4(repeating: 0) }

  public func contains(_ label: UInt8) -> Bool { words[Int(label >> 6)] >> UInt64(label & 63) & 1 == 1 }

  /// Adds a label; 0 is passed over.
  public mutating func insert(_ label: UInt8) {
    guard label != 0 else { return }
    words[Int(label >> 6)] |= 1 << UInt64(label & 63)
  }

  public mutating func formUnion(_ other: LabelSet) { words |= other.words }

  /// The members in ascending order.
  public var labels: [UInt8] { (1...255).filter(contains) }

  /// 256 bytes: 1 for members, else 0.
  var table: [UInt8] { (0...255).map { contains($0) ? 1 : 0 } }
}
