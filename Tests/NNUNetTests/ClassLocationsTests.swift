import Basics
import Checkpoints
import Imaging
import TestSupport
import Testing

@testable import NNUNet

@Suite struct ClassLocationsTests {
  private let folder: TemporaryFolder
  private let shape = Shape3D(40, 50, 60)

  init() throws { folder = try TemporaryFolder() }

  private func locations(_ label: Int, count: Int) -> ClassLocations {
    ClassLocations(
      labels: [label],
      coordinates: (0..<count).flatMap { number in
        shape.axes.enumerated().map { axis, size in Int32((number * 31 + axis * 7 + label) % size) }
      })
  }

  private func write(_ locations: [ClassLocations]) throws -> String {
    let unit = Vector3D(1, 1, 1)
    let record = PreparationRecord(
      originalShape: shape, originalSpacing: unit, geometry: .tiff(spacing: unit), shapeBeforeCropping: shape,
      cropBox: Box3D(shape), spacing: unit, networkSpacing: unit, networkShape: shape)
    let keys = locations.map { ClassKey(labels: $0.labels, isTuple: false) }
    let path = folder("case.pkl")
    let properties = PreprocessedProperties(record: record, locations: locations)
    try AtomicFile.write(PickleWriter.bytes(of: properties.pickled(keys: keys)), to: path)
    return path
  }

  private func read(_ path: String) throws -> [ClassLocations] {
    try PreprocessedProperties.read(path, shape: shape, frame: PreprocessedFolder.Frame()).locations
  }

  /// Tables that stay in their file name the same voxels as those that were written.
  @Test func tablesAreReadWhereTheyLie() throws {
    let written = [locations(1, count: 5000), locations(2, count: 3), locations(3, count: 0), locations(4, count: 700)]
    let found = try read(write(written))
    #expect(found == written)
    #expect(found.map(\.count) == [5000, 3, 0, 700])
    for (a, b) in zip(found, written) {
      for index in 0..<a.count { #expect(try a.voxel(index) == b.voxel(index)) }
    }
    #expect(found[0] != found[3])
    // The same in another order of the axes, as NumPy may leave it.
    let rows = [[0, 1, 2, 3], [0, 4, 5, 6], [0, 7, 8, 9]]
    let path = folder("rows")
    let numbers = (0..<4).flatMap { column in rows.map { Int64($0[column]) } }
    try AtomicFile.write(numbers.withUnsafeBytes { Array($0) }, to: path)
    let file = try MappedFile(path: path)
    let tensor = try Tensor(
      elementType: .int64, shape: [3, 4], strides: [1, 3],
      storage: TensorStorage(file: file, range: 0..<file.bytes.count))
    let turned = try #require(ClassLocations.Rows(tensor, shape: shape, path: path))
    #expect(try ClassLocations(labels: [1], rows: turned).coordinates() == [1, 2, 3, 4, 5, 6, 7, 8, 9])
  }

  @Test func voxelsOutsideAreFoundWhenTheyAreDrawn() throws {
    var coordinates = try locations(1, count: 1000).coordinates()
    coordinates[3 * 700 + 1] = 50
    let path = try write([ClassLocations(labels: [1], coordinates: coordinates)])
    let found = try read(path)[0]
    #expect(try found.voxel(699) == locations(1, count: 1000).voxel(699))
    let failure = #expect(throws: Failure.self) { try found.voxel(700) }
    #expect(failure?.kind == .badInput && failure?.file == path)
    // A small table is looked at when the case is opened.
    let small = try write([ClassLocations(labels: [1], coordinates: [0, 50, 0])])
    #expect(#expect(throws: Failure.self) { try read(small) }?.file == small)
  }
}
