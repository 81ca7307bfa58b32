import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

/// Real scans and segmentations, compared with what nnU-Net's own readers made of them (make_reference_scans.py).
@Suite(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
struct ReferenceScanTests {
  @Test func everyReaderSeesTheSameVoxels() throws {
    let entries = try #require(try JSON.read(Golden.folder + "/../reference_scans.json").array)
    #expect(entries.count >= 80)
    for entry in entries {
      let file = try #require(entry["file"]?.string)
      let reader = try #require(entry["reader"]?.string.flatMap(ImageReader.init))
      let image = try reader.read([ReferenceData.data(file)])
      let shape = image.voxels.shape
      #expect([image.voxels.channels, shape.z, shape.y, shape.x] == entry["shape"]?.ints, "\(file)")
      #expect(image.spacing.axes == entry["spacing"]?.doubles, "\(file)")
      let crc = image.voxels.elements.withUnsafeBytes { Deflate.crc32($0) }
      #expect(Int(crc) == entry["crc32"]?.int, "\(file) \(reader)")
    }
  }

  /// Writing what was read gives the original file back: header and voxels, byte by byte.
  @Test func segmentationsOfTheOriginalAreWrittenAlike() throws {
    let folder = try TemporaryFolder()
    let source = ReferenceData.data("reference/h3d_f0")
    let names = try Path.list(source).filter { $0.hasSuffix(".nii.gz") }
    #expect(!names.isEmpty)
    for name in names {
      let original = Path.join(source, name)
      let labels = try ImageReader.simpleITK.readLabels(original)
      let scan = ReferenceData.data("Dataset004_Hippocampus/imagesTs/\(name.dropLast(7))_0000.nii.gz")
      let image = try ImageReader.simpleITK.read([scan])
      #expect(image.geometry.isClose(to: labels.geometry))
      try ImageReader.simpleITK.write(labels.labels, as: folder(name), like: image.geometry)
      let (ours, theirs) = (try Path.read(folder(name)), try Path.read(original))
      let contents = try [ours, theirs].map { try $0.withUnsafeBytes { try Gzip.decompress($0) } }
      #expect(contents[0] == contents[1], "\(name)")
    }
  }
}
