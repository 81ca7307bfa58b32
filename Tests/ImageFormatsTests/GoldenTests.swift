import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

@Suite struct GoldenTests {
  @Test func theGoldenFilesAreThere() {
    #expect(Golden.readings.count > 500)
    #expect(Golden.writings.count > 80)
  }

  @Test(arguments: Golden.readings)
  func readsWhatTheOriginalReads(_ reading: Golden.Reading) throws {
    let paths = reading.files.map(Golden.path)
    guard let expected = reading.image else {
      // Where the original gives up, so do we, and say why.
      #expect(performing: { try reading.reader.read(paths) }, throws: { ($0 as? Failure)?.kind == .badInput })
      return
    }
    let image = try reading.reader.read(paths)
    let shape = image.voxels.shape
    #expect([image.voxels.channels, shape.z, shape.y, shape.x] == expected.shape)
    // Voxels and spacing are the same floats, not merely close ones.
    #expect(image.voxels.elements.map(\.bitPattern) == expected.voxels.map { canonical(Float($0)).bitPattern })
    #expect(image.spacing.axes == expected.properties["spacing"]?.doubles)
    switch image.geometry {
    case .itk(let dimensions, let spacing, let origin, let direction, let original):
      let stuff = expected.properties["sitk_stuff"]
      #expect(dimensions == spacing.count)
      #expect(spacing == stuff?["spacing"]?.doubles)
      #expect(isClose(origin, stuff?["origin"]?.doubles))
      #expect(isClose(direction, stuff?["direction"]?.doubles))
      #expect(original == stuff?["original_orientation"]?.string)
    case .nifti(let affine, let reoriented):
      let stuff = expected.properties["nibabel_stuff"]
      #expect(isClose(affine, stuff?["original_affine"].flatMap(flattened)))
      #expect((reoriented == nil) == (stuff?["reoriented_affine"] == nil))
      if let reoriented { #expect(isClose(reoriented, stuff?["reoriented_affine"].flatMap(flattened))) }
    case .natural2D, .tiff: #expect(reading.reader == .naturalImage2D || reading.reader == .tiff3D)
    }
  }

  /// JSON keeps no payload of a NaN.
  private func canonical(_ value: Float) -> Float { value.isNaN ? .nan : value }

  private func flattened(_ rows: JSON) -> [Double]? { rows.array?.flatMap { $0.doubles ?? [] } }

  /// Equal but for the order of double-precision operations.
  private func isClose(_ values: [Double], _ expected: [Double]?) -> Bool {
    guard let expected, values.count == expected.count else { return false }
    return zip(values, expected).allSatisfy { abs($0 - $1) <= 1e-12 * max(1, abs($1)) }
  }
}
