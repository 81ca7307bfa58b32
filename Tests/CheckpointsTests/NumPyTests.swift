import Basics
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct NumPyTests {
  @Test func readsWhatNumPyWrites() throws {
    let compressed = try NPZFile(path: resource("arrays.npz"))
    #expect(compressed.names == ["floats", "ints"])
    let floats = try compressed.tensor(named: "floats")
    #expect(floats.shape == [2, 3, 4])
    #expect(floats.floats() == ramp(24))
    #expect(try compressed.tensor(named: "ints").integers() == [0, 1, 2, 3, 4])
    #expect(throws: Failure.self) { try compressed.tensor(named: "absent") }
    let stored = try NPZFile(path: resource("stored.npz"))
    let doubles = try stored.tensor(named: "doubles")
    #expect(doubles.shape == [2, 3] && !doubles.isContiguous)
    #expect(doubles.doubles() == [0, 1, 2, 3, 4, 5])
    #expect(try stored.tensor(named: "halves").floats() == [0, 1, 2])
    let scalar = try NPYFile.read(resource("scalar.npy"))
    #expect(scalar.shape == [] && scalar.floats() == [2.5])
  }

  @Test func arraysAreWrittenInChunks() throws {
    let folder = try TemporaryFolder()
    let values = ramp(7 * 11 * 13)
    let writer = try NPZWriter(path: folder("x.npz"))
    try writer.begin("probabilities", shape: [7, 11, 13])
    for start in stride(from: 0, to: values.count, by: 100) {
      try Array(values[start..<min(values.count, start + 100)]).withUnsafeBufferPointer { try writer.append($0) }
    }
    #expect(throws: Failure.self) { try [1].withUnsafeBufferPointer { try writer.append($0) } }
    try writer.end()
    try writer.commit()
    let tensor = try NPZFile(path: folder("x.npz")).tensor(named: "probabilities")
    #expect(tensor.shape == [7, 11, 13] && tensor.floats() == values)
    let short = try NPZWriter(path: folder("y.npz"))
    try short.begin("a", shape: [2])
    #expect(throws: Failure.self) { try short.end() }
  }

  @Test func singleArraysAreWritten() throws {
    let folder = try TemporaryFolder()
    try ramp(6).withUnsafeBufferPointer { try NPYFile.write($0, shape: [2, 3], to: folder("x.npy")) }
    #expect(try NPYFile.read(folder("x.npy")).floats() == ramp(6))
    #expect(try MappedFile(path: folder("x.npy")).bytes.count == 128 + 24)
  }

  @Test(arguments: [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000,), }", "{'descr': '<f4', 'fortran_order': False, }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "", "{",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (x,)}",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (4611686018427387904, 4611686018427387904)}",
  ])
  func malformedHeadersAreRefused(header: String) throws {
    let folder = try TemporaryFolder()
    let text = Array(header.utf8)
    try AtomicFile.write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.count), 0] + text + [0, 0, 0, 0, 0, 0, 0, 0], to: folder("x.npy")
    )
    #expect(throws: Failure.self) { try NPYFile.read(folder("x.npy")) }
  }

  @Test(.enabled(if: ReferenceData.isPresent, ReferenceData.absence))
  func readsReferenceProbabilities() throws {
    let file = try NPZFile(path: ReferenceData.data("reference/h3d_f01_prob/hippocampus_008.npz"))
    let tensor = try file.tensor(named: "probabilities")
    #expect(tensor.shape == [3, 40, 48, 36] && tensor.elementType == .float32)
    let values = tensor.floats()
    let plane = 40 * 48 * 36
    // Probabilities of float32 arithmetic add up to 1 within a few units in the last place.
    let worst = (0..<plane).reduce(Float(0)) {
      max($0, abs(values[$1] + values[$1 + plane] + values[$1 + 2 * plane] - 1))
    }
    #expect(worst < 1e-5)
  }
}
