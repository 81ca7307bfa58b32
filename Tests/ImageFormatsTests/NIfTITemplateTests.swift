import Basics
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

/// Against what nibabel makes of the same headers; see Resources/make_headers.py.
@Suite struct NIfTITemplateTests {
  static let folder = Path.split(Golden.folder).folder + "/headers"
  static let names = ["full", "moved", "big_endian", "version2", "no_form", "int32", "float32"]
  static let shape = Shape3D(5, 3, 4)

  static func facts(_ name: String) throws -> JSON {
    let facts = try JSON(parsing: Path.read(folder + "/headers.json"))
    return try #require(facts[name])
  }

  static func labels() -> Volume<UInt8> {
    // The numbers ran along the last axis first.
    Volume(shape: shape) { target in
      for index in 0..<60 {
        let (x, y, z) = (index % 4, index / 4 % 3, index / 12)
        target[index] = UInt8((x * 15 + y * 5 + z) % 7)
      }
    }
  }

  @Test(arguments: names) func readsWhatNibabelReads(_ name: String) throws {
    let facts = try Self.facts(name)
    let image = try NIfTIImage(path: Self.folder + "/\(name).nii")
    // nibabel turns quaternions to matrices in extended precision: the last digit may differ.
    let affine = try #require(facts["affine"]?.doubles)
    #expect(zip(image.template.affine, affine).allSatisfy { abs($0 - $1) <= 4 * $1.ulp })
    #expect(image.template.zooms == facts["zooms"]?.doubles)
    let expected = try #require(facts["data"]?.doubles)
    #expect(image.voxels.shape == Self.shape)
    #expect(image.voxels.elements == expected.map { Float($0) })
    let isExact = expected.allSatisfy { Double(Float($0)) == $0 }
    #expect((image.exactVoxels == nil) == isExact)
    if let exact = image.exactVoxels { #expect(exact.elements == expected) }
    #expect(image.warnings.isEmpty)
  }

  @Test(arguments: names) func writesWhatNibabelWrites(_ name: String) throws {
    let facts = try Self.facts(name)
    let template = try NIfTITemplate(path: Self.folder + "/\(name).nii")
    let written = try template.header(for: Self.shape, affine: facts["written"]?.doubles ?? facts["affine"]?.doubles)
    let expected = try Path.read(Self.folder + "/\(name).expected.nii")
    if name == "big_endian" {
      // nibabel keeps the byte order, this writer does not.
      let other = try expected.withUnsafeBytes { try NIfTITemplate($0) }
      let own = try written.withUnsafeBytes { try NIfTITemplate($0) }
      #expect(own == other)
    } else {
      #expect(written == Array(expected[..<written.count]))
    }
    for ending in [".nii", ".nii.gz"] {
      let temporary = try TemporaryFolder()
      let path = temporary.path + "/labels" + ending
      var content = try withExtendedLifetime(temporary) {
        try template.write(Self.labels(), to: path, affine: facts["written"]?.doubles)
        return try Path.read(path)
      }
      if ending == ".nii.gz" { content = try content.withUnsafeBytes { try Gzip.decompress($0) } }
      #expect(content == written + Self.labels().elements)
      #expect(content[written.count...] == expected[written.count...])
    }
  }

  @Test func anotherGridAndMoreExtensionsFit() throws {
    let template = try NIfTITemplate(path: Self.folder + "/full.nii")
    let added = NIfTIExtension(code: 0, content: Array("table".utf8))
    let header = try template.header(for: Shape3D(9, 8, 7), extensions: [added])
    let own = try header.withUnsafeBytes { try NIfTITemplate($0) }
    #expect(own.sizes == [7, 8, 9])
    #expect(own.extensions.map(\.code) == [0, 6, 44])
    #expect(own.extensions[1...] == template.extensions[...])
    #expect(own.affine == template.affine)
    #expect(header.count % 16 == 0)
    #expect(throws: Failure.self) { try template.header(for: Shape3D(1, 1, 40_000)) }
  }

  @Test func aNewHeaderIsThatOfANewImage() throws {
    let affine: [Double] = [-3, 0, 0, 1, 0, 2, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1]
    let template = try NIfTITemplate(sizes: [4, 3, 5], affine: affine)
    let expected = try NIfTI.nibabelHeader(sizes: [4, 3, 5], type: .uint8, affine: Affine(rows: affine))
    #expect(try template.header(for: Self.shape) == expected)
  }

  /// Only the first volume counts, and pictures are refused.
  @Test func dimensionsAreThree() throws {
    func file(_ sizes: [Int]) throws -> (TemporaryFolder, String) {
      let folder = try TemporaryFolder()
      var writer = ByteWriter(bytes: try NIfTITemplate(path: Self.folder + "/float32.nii").header + [0, 0, 0, 0])
      writer.put(Int16(sizes.count), at: 40)
      for (axis, size) in sizes.enumerated() { writer.put(Int16(size), at: 42 + 2 * axis) }
      writer.put(Float(352), at: 108)
      writer.put(Int16(4), at: 70)
      let count = sizes.reduce(1, *)
      let voxels = (0..<count).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
      let path = folder.path + "/image.nii.gz"
      try AtomicFile.write(Gzip.compress(writer.bytes + voxels), to: path)
      return (folder, path)
    }
    let (folder, path) = try file([4, 3, 5, 2])
    let image = try withExtendedLifetime(folder) { try NIfTIImage(path: path) }
    #expect(image.voxels.elements == (0..<60).map { Float($0) })
    #expect(image.warnings.count == 1)
    let (flatFolder, flat) = try file([4, 3])
    #expect(throws: Failure.self) { try withExtendedLifetime(flatFolder) { try NIfTIImage(path: flat) } }
  }

  @Test func damagedExtensionsEndTheList() throws {
    let content = try Path.read(Self.folder + "/full.nii")
    for size: Int32 in [0, 7, -16, 17, 1 << 30, .max, .min] {
      var writer = ByteWriter(bytes: content)
      writer.put(size, at: 352 + 32)
      let template = try writer.bytes.withUnsafeBytes { try NIfTITemplate($0) }
      #expect(template.extensions.first == NIfTIExtension(code: 6, content: Array(content[360..<384])))
      _ = try template.header(for: Self.shape)
    }
    for count in 0..<content.count {
      _ = try? Array(content[..<count]).withUnsafeBytes { try NIfTITemplate($0) }
    }
  }

  /// TotalSegmentator's own output, from the first byte to the first voxel.
  @Test(
    .enabled(if: ReferenceData.isPresent, ReferenceData.absence),
    arguments: [
      ("example_ct", "fast_ml"), ("example_ct", "full_ml"), ("example_ct", "fast_roi"), ("example_ct_sm", "full_sm"),
      ("example_ct_sm", "fast_dir/liver"),
    ])
  func headersAreThoseOfTheReference(_ image: String, _ output: String) throws {
    let source = try NIfTIImage(path: ReferenceData.data("totalseg/images/\(image).nii.gz"))
    let path = ReferenceData.data("totalseg/reference/\(output).nii.gz")
    let reference = try NIfTITemplate(path: path)
    let entries = NIfTILabelTable.find(in: reference.extensions)
    let count = output == "fast_roi" ? 2 : 117
    #expect(entries?.count == (output.contains("/") ? nil : count))
    let added = entries.map { [NIfTILabelTable.fileExtension($0)] } ?? []
    let header = try source.template.header(for: source.voxels.shape, affine: source.template.affine, extensions: added)
    let expected = try Path.read(path).withUnsafeBytes { try Gzip.prefix($0, count: header.count) }
    #expect(header == expected)
  }
}

@Suite struct NIfTILabelTableTests {
  static let entries = [
    NIfTILabelTable.Entry(key: 1, name: "spleen", red: 0, green: 255, blue: 0),
    NIfTILabelTable.Entry(key: 12, name: "a <&> ]]> \"b\" é", red: 185, green: 170, blue: 155),
    NIfTILabelTable.Entry(key: 300, name: "", red: 1, green: 128, blue: 254),
  ]

  @Test func tablesComeBackFromAnyPlace() throws {
    let table = NIfTILabelTable.fileExtension(Self.entries)
    #expect(table.code == 0)
    let comment = NIfTIExtension(code: 6, content: Array("<LabelTable".utf8))
    for extensions in [[table], [comment, table], [NIfTIExtension(code: 4, content: [255, 0, 1]), table, comment]] {
      #expect(NIfTILabelTable.find(in: extensions) == Self.entries)
    }
    let padded = NIfTIExtension(code: 30, content: table.content + [0, 0, 0])
    #expect(NIfTILabelTable.find(in: [padded]) == Self.entries)
    #expect(NIfTILabelTable.find(in: [comment]) == nil)
    #expect(NIfTILabelTable.find(in: [NIfTILabelTable.fileExtension([])]) == [])
  }

  @Test func otherLayoutsAreUnderstood() {
    let text = """
      <CaretExtension><VolumeInformation Index='0'><LabelTable>
        <Label Key = '7'
               Red="1" Green="0.5" Blue="7" Alpha='0'>left &amp; <![CDATA[r&amp;]]>&#xe9;&#33;</Label><Label Key="8"/>
        <Label>nobody</Label></LabelTable></VolumeInformation></CaretExtension>
      """
    #expect(
      NIfTILabelTable.parse(text) == [
        .init(key: 7, name: "left & r&amp;é!", red: 255, green: 128, blue: 255),
        .init(key: 8, name: "", red: 0, green: 0, blue: 0),
      ])
    // Cut anywhere, it may say less but must not crash.
    for count in 0..<text.count { _ = NIfTILabelTable.parse(String(text.prefix(count))) }
  }
}
