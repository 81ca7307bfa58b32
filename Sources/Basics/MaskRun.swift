import CKernels
import CLibDeflate
import CZlib

/// A run of voxels that belong to a mask, in the order in which voxels lie in memory.
public struct MaskRun: BitwiseCopyable, Sendable, Comparable {
  /// Start << 24 | count, so that the order of runs is that of their numbers.
  @usableFromInline let bits: UInt64

  /// The most voxels that one run may have; longer ones are made of several.
  public static let longest = (1 << 24) - 1

  @inlinable
  public init(start: Int, count: Int) { self.init(bits: UInt64(start) << 24 | UInt64(count)) }

  @usableFromInline init(bits: UInt64) { self.bits = bits }

  public var start: Int { Int(bits >> 24) }
  public var count: Int { Int(bits & 0xFF_FFFF) }
  public var end: Int { start + count }

  public static func < (left: MaskRun, right: MaskRun) -> Bool { left.bits < right.bits }
}

extension Gzip {
  /// A binary mask (bytes 0 and 1) as a gzip file of one member, after `header`, without the mask ever lying in memory.
  ///
  /// The cost follows the number of runs and the size of the result; a voxel inside or outside costs nothing. Threads
  /// may encode several masks at once.
  ///
  /// - Parameters:
  ///   - runs: In ascending order, not overlapping; they may touch.
  ///   - count: Voxels of the whole volume.
  /// - Throws: `internalError` for runs beyond `count`, and when memory runs out.
  public static func compress(
    mask runs: some Sequence<MaskRun>, count: Int, layout: LabelLayout, after header: [UInt8] = []
  ) throws -> [UInt8] {
    // Borders between outside (0) and inside (1), as the deflater takes them.
    var borders: [UInt64] = [0]
    var checksum = UniformChecksum()
    var end = 0
    for run in runs {
      if run.start > end || end == 0 {
        if run.start == 0 { borders.removeLast() } else { checksum.append(0, count: run.start - end) }
        borders.append(UInt64(run.start) << 16 | 1)
      } else {
        borders.removeLast()
      }
      checksum.append(1, count: run.count)
      end = run.end
      borders.append(UInt64(end) << 16)
    }
    guard end <= count else { throw Failure(.internalError, "a mask has runs outside its volume") }
    guard count > 0 else { return try compress(header) }
    checksum.append(0, count: count - end)
    var deflater = RunDeflater(layout)
    borders.withUnsafeBufferPointer { borders in
      // What lies before and behind is often most of the volume, and gets a code of its own.
      let first = borders.count > 1 ? Int(borders[borders[0] & 1 == 1 ? 0 : 1] >> 16) : count
      for positions in [0..<first, first..<max(first, end), max(first, end)..<count] {
        deflater.append(borders, at: positions)
        if positions.count > 1 << 18 { deflater.endBlock() }
      }
    }
    var result = ParallelDeflate.Result(
      pieces: [deflater.finish(), DeflateBlocks.empty], check: checksum.value, count: count)
    try result.prepend(header)
    return member(result, size: header.count + count)
  }
}

/// The CRC-32 of bytes that come in long runs of 0 and 1.
struct UniformChecksum {
  private(set) var value: UInt32 = 0

  /// Checksums of 2^k zeros, then of 2^k ones; immortal, so that the loop below need not count references.
  nonisolated(unsafe) private static let powers: UnsafeMutablePointer<UInt32> = {
    let powers = UnsafeMutablePointer<UInt32>.allocate(capacity: 2 * maximumExponent)
    for byte in 0...1 {
      var power = withUnsafeBytes(of: UInt8(byte)) { Deflate.crc32($0) }
      for exponent in 0..<maximumExponent {
        powers[byte * maximumExponent + exponent] = power
        power = ParallelDeflate.Check.crc32.combine(power, power, count: 1 << exponent)
      }
    }
    return powers
  }()
  private static let maximumExponent = 48

  /// That many zeros, then as many ones.
  nonisolated(unsafe) private static let block: UnsafeMutablePointer<UInt8> = {
    let block = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 << blockExponent)
    for index in 0..<2 << blockExponent { block[index] = UInt8(index >> blockExponent) }
    return block
  }()
  private static let blockExponent = 11

  /// Short runs are summed up byte by byte; the sums of long ones are put together from known ones.
  @inline(__always)
  mutating func append(_ byte: UInt8, count: Int) {
    let short = count & ((1 << Self.blockExponent) - 1)
    if short > 0 { value = libdeflate_crc32(value, Self.block + (Int(byte) << Self.blockExponent), short) }
    if count > short { appendBlocks(byte, count >> Self.blockExponent) }
  }

  private mutating func appendBlocks(_ byte: UInt8, _ count: Int) {
    var rest = count
    var exponent = Self.blockExponent
    while rest > 0 {
      if rest & 1 == 1 {
        let power = Self.powers[Int(byte) * Self.maximumExponent + exponent]
        value = ParallelDeflate.Check.crc32.combine(value, power, count: 1 << exponent)
      }
      rest >>= 1
      exponent += 1
    }
  }
}
