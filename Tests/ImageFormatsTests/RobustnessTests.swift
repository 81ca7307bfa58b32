import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

@Suite struct RobustnessTests {
  private func failure(_ body: () throws -> Void) -> Failure? {
    do {
      try body()
      return nil
    } catch {
      return error as? Failure
    }
  }

  @Test(arguments: ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.png", "a.tif", "a.bmp", "a.xyz"])
  func emptyAndForeignFilesAreNamed(_ name: String) throws {
    let folder = try TemporaryFolder()
    for content in [[], Array("neither fish nor fowl, but long enough to look at: ".utf8)] as [[UInt8]] {
      try AtomicFile.write(content, to: folder(name))
      let failure = try #require(failure { _ = try ImageHeader.read(folder(name)) })
      #expect(failure.kind == .badInput)
      #expect(failure.file == folder(name))
    }
    #expect(failure { _ = try ImageHeader.read(folder("absent-" + name)) }?.file == folder("absent-" + name))
  }

  @Test func truncatedScansAreRefused() throws {
    let folder = try TemporaryFolder()
    for name in ["type_i2_le.nii", "compressed.nii.gz", "gzip.nrrd", "compressed.mha"] {
      let bytes = try Path.read(Golden.path(name))
      try AtomicFile.write(Array(bytes.dropLast(9)), to: folder(name))
      #expect(failure { _ = try ImageReader.simpleITK.read([folder(name)]) }?.kind == .badInput, "\(name)")
    }
  }

  @Test func aHeaderCannotAskForMemory() throws {
    let folder = try TemporaryFolder()
    var writer = ByteWriter(count: 4096)
    writer.put(try Path.read(Golden.path("type_i2_le.nii")), at: 0)
    for offset in stride(from: 42, to: 48, by: 2) { writer.put(Int16.max, at: offset) }
    try AtomicFile.write(writer.bytes, to: folder("huge.nii"))
    try AtomicFile.write(Gzip.compress(writer.bytes), to: folder("huge.nii.gz"))
    for name in ["huge.nii", "huge.nii.gz"] {
      let message = failure { _ = try ImageReader.simpleITK.read([folder(name)]) }?.message
      #expect(message?.contains("promises") == true)
    }
  }

  @Test(arguments: [Float.nan, .infinity, 1e30, -1e30, -352])
  func aHeaderMustSayWhereVoxelsBegin(offset: Float) throws {
    let folder = try TemporaryFolder()
    var writer = ByteWriter(bytes: try Path.read(Golden.path("type_i2_le.nii")))
    writer.put(offset, at: 108)
    try AtomicFile.write(writer.bytes, to: folder("a.nii"))
    let failure = try #require(failure { _ = try ImageReader.simpleITK.read([folder("a.nii")]) })
    #expect(failure.kind == .badInput && failure.message.contains("vox_offset") && failure.file == folder("a.nii"))
  }

  @Test func bothFilesOfADisagreementAreNamed() throws {
    let paths = ["type_i2_le.nii", "pix_zero.nii"].map(Golden.path)
    let failure = try #require(failure { _ = try ImageReader.simpleITK.read(paths) })
    #expect(failure.file == paths[1])
    #expect(failure.message.contains(paths[0]))
    let image = try ImageReader.simpleITK.read(["type_i2_le.nii", "none.nii"].map(Golden.path))
    #expect(image.warnings.count == 1)
    #expect(try ImageReader.simpleITK.read([Golden.path("none.nii")]).warnings.isEmpty)
  }

  @Test func labelsMustBeLabels() throws {
    func labels(_ values: [Float]) throws -> LabelMap {
      try LabelMap(rounding: Volume(shape: Shape3D(1, 1, values.count), elements: values))
    }
    guard case .uint8(let small) = try labels([0, 0.4, 0.5, 1.5, 254.7, 2, 3, 4, 5, 6]) else {
      Issue.record("small labels take bytes")
      return
    }
    #expect(small.elements == [0, 0, 0, 2, 255, 2, 3, 4, 5, 6])
    guard case .uint16(let large) = try labels([65535.2, 256, 0]) else {
      Issue.record("large labels take 16 bits")
      return
    }
    #expect(large.elements == [65535, 256, 0])
    for bad: Float in [-1, 65536, .nan, .infinity, -.infinity, 1e30] {
      #expect(failure { _ = try labels([0, 1, 2, 3, 4, 5, 6, 7, 8, bad, 1]) }?.kind == .badInput)
    }
    #expect(throws: Failure.self) { try ImageReader.simpleITK.readLabels(Golden.path("type_i2_le.nii")) }
  }

  @Test func headersDoNotReachOutOfTheirFolder() throws {
    let folder = try TemporaryFolder()
    let header = "ObjectType = Image\nNDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nElementDataFile = "
    for target in ["/etc/passwd", "../secret", "a/../../secret"] {
      try AtomicFile.write(Array((header + target + "\n").utf8), to: folder("a.mhd"))
      #expect(failure { _ = try ImageHeader.read(folder("a.mhd")) }?.message.contains("own folder") == true)
    }
  }

  /// Every signed permutation of axes, undone by its inverse, and against a plain loop.
  @Test func orientationsAreExact() throws {
    let shape = Shape3D(2, 3, 4)
    let volume = Volume(channels: 2, shape: shape, elements: (0..<48).map { UInt8($0) })
    for axis in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
      for flips in 0..<8 {
        let orientation = Orientation(axis: axis, isFlipped: (0..<3).map { flips >> $0 & 1 == 1 })
        let turned = orientation.apply(to: volume)
        #expect(orientation.inverse.apply(to: turned).elements == volume.elements)
        let (new, old) = (turned.shape, [shape.x, shape.y, shape.z])
        for z in 0..<new.z {
          for y in 0..<new.y {
            for x in 0..<new.x {
              var index = [0, 0, 0]
              for (position, value) in [x, y, z].enumerated() {
                let source = axis[position]
                index[source] = orientation.isFlipped[position] ? old[source] - 1 - value : value
              }
              #expect(turned[1, z, y, x] == volume[1, index[2], index[1], index[0]])
            }
          }
        }
      }
    }
  }

  /// Conversion in place, with buffers that overlap, gives what conversion to another place gives.
  @Test func conversionInPlaceIsExact() {
    var generator = SeededGenerator(seed: 4)
    let count = 1_200_003
    for type in ScalarType.allCases where type.byteCount <= 4 {
      for isBigEndian in [false, true] {
        let conversion = VoxelConversion(type: type, isBigEndian: isBigEndian, rescale: .none, zeroesNonFinite: true)
        let stored = (0..<count * type.byteCount / 8 + 1).map { _ in generator.next() }
        var apart = [Float](repeating: 0, count: count)
        var inPlace = [Float](repeating: 0, count: count + 88)
        stored.withUnsafeBytes { stored in
          guard let source = stored.baseAddress else { return }
          apart.withUnsafeMutableBufferPointer { target in
            if let base = target.baseAddress { conversion.convert(source, to: base, count: count) }
          }
          inPlace.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            let start = base + (buffer.count - count * type.byteCount)
            start.copyMemory(from: source, byteCount: count * type.byteCount)
            conversion.convertInPlace(start, to: base.assumingMemoryBound(to: Float.self), count: count)
          }
        }
        #expect(apart == Array(inPlace[..<count]), "\(type) \(isBigEndian)")
      }
    }
  }
}
