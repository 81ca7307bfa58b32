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

/// Thousands of damaged files: each must be read or refused with `badInput`, without a crash and without asking for
/// more memory than the file can back.
@Suite(.serialized) struct FuzzTests {
  struct Target: Sendable, CustomTestStringConvertible {
    var name: String
    var seeds: [String]
    var ending: String
    var readers: [ImageReader]
    var count = 3000
    /// Whether the damage is done before compression, so that it gets past the checksum.
    var isRecompressed = false
    /// Whether PNG chunks get the checksum of their damaged content, for the same reason.
    var isRechecked = false

    var testDescription: String { name }
  }

  static let targets = [
    Target(
      name: "NIfTI",
      seeds: ["type_i2_le.nii", "type_f8_be.nii", "dims_2d.nii", "slope_4.nii", "version2.nii", "oblique_0.nii"],
      ending: ".nii", readers: ImageReader.allCases.dropLast(2)),
    Target(
      name: "NIfTI, compressed", seeds: ["compressed.nii.gz", "compressed_f4.nii.gz", "dims_4d.nii.gz"],
      ending: ".nii.gz", readers: [.simpleITK, .nibabel]),
    Target(
      name: "NIfTI inside gzip", seeds: ["compressed.nii.gz", "compressed_f4.nii.gz", "dims_4d.nii.gz"],
      ending: ".nii.gz", readers: [.simpleITK, .nibabelReoriented], isRecompressed: true),
    Target(
      name: "NRRD", seeds: ["space_RAS.nrrd", "gzip.nrrd", "ascii.nrrd", "hex.nrrd", "oblique.nrrd", "axis_mins.nrrd"],
      ending: ".nrrd", readers: [.simpleITK, .simpleITKReoriented]),
    Target(
      name: "MetaImage", seeds: ["matrix.mha", "compressed.mha", "type_DOUBLE.mha", "time.mha", "list.mhd"],
      ending: ".mha", readers: [.simpleITK, .simpleITKReoriented]),
    Target(
      name: "PNG", seeds: ["grey16.png", "rgba.png", "palette.png", "bits.png"], ending: ".png",
      readers: [.naturalImage2D]),
    Target(
      name: "PNG inside checksums", seeds: ["grey16.png", "rgba.png", "palette.png", "bits.png"], ending: ".png",
      readers: [.naturalImage2D], isRechecked: true),
    Target(
      name: "TIFF", seeds: ["stack_u2_zlib_0000.tif", "stack_u1_lzw_0000.tif", "tiled_0000.tif", "picture_rgb.tif"],
      ending: ".tif", readers: [.tiff3D, .naturalImage2D]),
    Target(name: "BMP", seeds: ["grey.bmp", "rgb.bmp"], ending: ".bmp", readers: [.naturalImage2D], count: 1000),
  ]

  @Test(arguments: targets)
  func damagedFilesAreReadOrRefused(_ target: Target) throws {
    let folder = try TemporaryFolder()
    let path = folder("damaged" + target.ending)
    var generator = SeededGenerator(seed: 20_260_713)
    let seeds = try target.seeds.map { name in
      let bytes = try Path.read(Golden.path(name))
      return target.isRecompressed ? try bytes.withUnsafeBytes { try Gzip.decompress($0) } : bytes
    }
    let memoryBefore = peakMemory()
    var (accepted, refused) = (0, 0)
    for round in 0..<target.count {
      var mutator = Mutator(generator: generator, bytes: seeds[round % seeds.count], others: seeds)
      var bytes = mutator.mutate()
      generator = mutator.generator
      if target.isRecompressed { bytes = try Gzip.compress(bytes, level: 1) }
      if target.isRechecked { renewChecksums(&bytes) }
      try overwrite(path, with: bytes)
      _ = try? ImageHeader.read(path)
      let reader = target.readers[round % target.readers.count]
      do {
        let image = try reader.read([path])
        accepted += 1
        // The most a byte can stand for is DEFLATE's 1032 bytes (LZW's 2731) of 8-bit voxels.
        #expect(image.voxels.elements.count <= max(1, bytes.count) * 2731)
        if round % 7 == 0 { _ = try? reader.readLabels(path) }
      } catch let failure as Failure {
        refused += 1
        #expect([.badInput, .missingInput].contains(failure.kind), "\(failure)")
        #expect(failure.file != nil)
      }
    }
    // Both kinds occur, or the fuzzer tests nothing.
    #expect(accepted > (target.name == "PNG" ? 0 : target.count / 200))
    #expect(refused > target.count / 200)
    // Seeds are below 20 KB; with the factors above a reader may need some tens of MB.
    #expect(peakMemory() - memoryBefore < 400 << 20)
  }

  /// Gives every complete PNG chunk the CRC that belongs to it.
  private func renewChecksums(_ bytes: inout [UInt8]) {
    var position = 8
    while position + 12 <= bytes.count {
      let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = position + 8 + length
      guard end + 4 <= bytes.count else { return }
      let crc = bytes[position + 4..<end].withUnsafeBytes { Deflate.crc32($0) }
      for index in 0..<4 { bytes[end + index] = UInt8(truncatingIfNeeded: crc >> UInt32(24 - 8 * index)) }
      position = end + 4
    }
  }

  /// The most memory the process has held, in bytes.
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

  /// Plain writing: `AtomicFile` would flush to the disk thousands of times.
  private func overwrite(_ path: String, with bytes: [UInt8]) throws {
    let file = try #require(fopen(path, "wb"))
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }
}

/// Damages bytes in the ways that files get damaged, and in the ways that hurt parsers.
private struct Mutator {
  var generator: SeededGenerator
  var bytes: [UInt8]
  let others: [[UInt8]]

  mutating func mutate() -> [UInt8] {
    for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
      switch Int.random(in: 0..<8, using: &generator) {
      case 0, 1: flipBit()
      case 2: bytes.removeLast(Int.random(in: 1...bytes.count, using: &generator))
      case 3: splice()
      case 4: setField()
      case 5: setField()
      case 6: replaceNumber()
      default: bytes[position()] = UInt8.random(in: 0...255, using: &generator)
      }
    }
    return bytes
  }

  /// Headers are at the front: half of the damage goes there.
  private mutating func position() -> Int {
    let isFront = Bool.random(using: &generator)
    return Int.random(in: 0..<(isFront ? min(bytes.count, 360) : bytes.count), using: &generator)
  }

  private mutating func flipBit() {
    bytes[position()] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
  }

  /// Puts a piece of another seed in, over or out.
  private mutating func splice() {
    let donor = others[Int.random(in: 0..<others.count, using: &generator)]
    let start = Int.random(in: 0..<donor.count, using: &generator)
    let length = min(donor.count - start, Int.random(in: 0...64, using: &generator))
    let here = position()
    let end = min(bytes.count, here + Int.random(in: 0...64, using: &generator))
    bytes.replaceSubrange(here..<end, with: donor[start..<start + length])
  }

  /// Overwrites 2, 4 or 8 bytes with a number that breaks arithmetic.
  private mutating func setField() {
    let width = [2, 4, 8][Int.random(in: 0..<3, using: &generator)]
    let values: [UInt64] = [
      0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7F80_0000, 0x7FC0_0000,
      0x4F80_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max,
    ]
    let value = values[Int.random(in: 0..<values.count, using: &generator)]
    let isBig = Bool.random(using: &generator)
    let here = position() & ~(min(width, 4) - 1)
    for index in 0..<width where here + index < bytes.count {
      bytes[here + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (isBig ? width - 1 - index : index)))
    }
  }

  /// Replaces a run of digits in a text header.
  private mutating func replaceNumber() {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let front = bytes.prefix(600)
    let starts = front.indices.filter { digits.contains(front[$0]) && ($0 == 0 || !digits.contains(front[$0 - 1])) }
    guard !starts.isEmpty else { return flipBit() }
    let start = starts[Int.random(in: 0..<starts.count, using: &generator)]
    var end = start
    while end < bytes.count, digits.contains(bytes[end]) { end += 1 }
    let texts = [
      "0", "-1", "1", "7", "99999", "4294967296", "9223372036854775807", "99999999999999999999", "nan", "1e308", "",
    ]
    bytes.replaceSubrange(start..<end, with: Array(texts[Int.random(in: 0..<texts.count, using: &generator)].utf8))
  }
}
