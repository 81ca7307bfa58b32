import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

@Suite struct GoldenWritingTests {
  @Test(arguments: Golden.writings)
  func writesWhatTheOriginalWrites(_ writing: Golden.Writing) throws {
    let folder = try TemporaryFolder()
    let image = try writing.reader.read([Golden.path(writing.source)])
    let count = image.voxels.shape.count
    var values = (0..<count).map { UInt16($0 % (writing.largest + 1)) }
    values[count - 1] = UInt16(writing.largest)
    let labels = LabelMap.uint16(Volume(shape: image.voxels.shape, elements: values))
    let path = folder(writing.file)
    try writing.reader.write(labels, as: path, like: image.geometry)
    let name = writing.file
    if name.hasSuffix(".nii") || name.hasSuffix(".nii.gz") {
      try compareNIfTI(path, Golden.path(name))
    } else if name.hasSuffix(".nrrd") || name.hasSuffix(".mha") || name.hasSuffix(".mhd") {
      #expect(try header(path) == header(Golden.path(name)))
    }
    // Whatever the bytes, both files say the same.
    let (ours, theirs) = (try writing.reader.read([path]), try writing.reader.read([Golden.path(name)]))
    #expect(ours.voxels.elements == theirs.voxels.elements)
    #expect(ours.voxels.shape == theirs.voxels.shape)
    #expect(ours.geometry.isClose(to: theirs.geometry))
    #expect(try ImageHeader.read(path).type == ImageHeader.read(Golden.path(name)).type)
    let read = try writing.reader.readLabels(path)
    guard case .uint16(let again) = try widened(read.labels) else { return }
    #expect(again.elements == values)
  }

  private func widened(_ labels: LabelMap) throws -> LabelMap {
    guard case .uint8(let volume) = labels else { return labels }
    return .uint16(Volume(shape: volume.shape, elements: volume.elements.map(UInt16.init)))
  }

  /// Equal byte by byte, but for floats of the quaternion and the affine, which may differ in the last place, and for
  /// the sign of a zero.
  private func compareNIfTI(_ path: String, _ golden: String) throws {
    func content(_ path: String) throws -> [UInt8] {
      let bytes = try Path.read(path)
      return try bytes.withUnsafeBytes { Gzip.hasMagic($0) ? try Gzip.decompress($0) : Array($0) }
    }
    let (ours, theirs) = (try content(path), try content(golden))
    #expect(ours.count == theirs.count)
    let floats = 256..<328
    for offset in 0..<min(ours.count, theirs.count) where !floats.contains(offset) {
      #expect(ours[offset] == theirs[offset], "byte \(offset)")
    }
    let (a, b) = (ByteReader(bytes: ours), ByteReader(bytes: theirs))
    for offset in stride(from: floats.lowerBound, to: floats.upperBound, by: 4) {
      let (x, y) = (a.float(offset), b.float(offset))
      #expect(abs(x - y) <= 2 * max(x.ulp, 1e-7), "float at \(offset): \(x), \(y)")
    }
  }

  /// The text before the voxels, without the size of the compressed data, which is the compressor's business.
  private func header(_ path: String) throws -> [String] {
    let bytes = try Path.read(path)
    return try bytes.withUnsafeBytes { bytes in
      var (position, lines) = (0, [String]())
      while let line = TextHeader.line(bytes, at: &position) {
        if line.isEmpty { break }
        if !line.hasPrefix("CompressedDataSize") {
          lines.append(line.replacing(Path.split(path).name.dropLast(4), with: "NAME"))
        }
        if line.hasPrefix("ElementDataFile") { break }
      }
      try #require(lines.count > 5)
      return lines
    }
  }
}
