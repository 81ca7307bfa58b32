import Basics
import Imaging
import TestSupport
import Testing

/// A file that cannot be segmented, and what the message must say about it.
struct BadImage: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let phrase: String
  let bytes: @Sendable () throws -> [UInt8]

  init(_ description: String, says phrase: String, _ bytes: @escaping @Sendable () throws -> [UInt8]) {
    testDescription = description
    self.phrase = phrase
    self.bytes = bytes
  }

  static func claiming(_ dimensions: [Int16]) -> @Sendable () throws -> [UInt8] {
    { try TestImage(dimensions: dimensions).gzipped }
  }

  static let all = [
    BadImage("empty file", says: "is empty") { [] },
    BadImage("gzip of nothing", says: "is empty") { try Gzip.compress([]) },
    BadImage("text", says: "not a NIfTI file") { Array(repeating: UInt8(ascii: "x"), count: 1000) },
    BadImage("truncated gzip", says: "end early") { Array(try TestImage.good.prefix(8000)) },
    BadImage("damaged in the middle", says: "damaged") {
      var bytes = try TestImage.good
      for index in 400..<420 { bytes[index] ^= 0x55 }
      return bytes
    },
    BadImage("wrong checksum", says: "damaged") {
      var bytes = try TestImage.good
      bytes[bytes.count - 6] ^= 1
      return bytes
    },
    BadImage("header claims more voxels", says: "promises", claiming([3, 160, 160, 160, 1, 1, 1, 1])),
    BadImage("header claims a negative size", says: "impossible size", claiming([3, -16, 16, 16, 1, 1, 1, 1])),
    BadImage("header claims no voxels", says: "impossible size", claiming([3, 0, 16, 16, 1, 1, 1, 1])),
    BadImage("header claims 2^105 voxels", says: "dimensions", claiming([7] + Array(repeating: 32767, count: 7))),
    BadImage(
      "header claims 2^60 voxels", says: "promises", claiming([4] + Array(repeating: 32767, count: 4) + [1, 1, 1])),
    BadImage("voxels as large as houses", says: "spacing") { try TestImage(spacing: 1000).gzipped },
    BadImage("voxels as small as atoms", says: "spacing") { try TestImage(spacing: 1e-9).gzipped },
  ]
}

@Suite struct BadImageTests {
  @Test(arguments: BadImage.all)
  func aBadImageIsNamedAndTheOthersAreSegmented(_ bad: BadImage) throws {
    let place = try Workplace([
      "a_0000.nii.gz": TestImage.good, "b_0000.nii.gz": bad.bytes(), "c_0000.nii.gz": TestImage.good,
    ])
    let run = try place.predict()
    #expect(run.status == 65)
    #expect(run.complaints("b_0000.nii.gz", bad.phrase) == 1, "\(run.errors)")
    #expect(run.complaints("1 of 3 cases failed") == 1)
    #expect(place.results == ["a.nii.gz", "c.nii.gz"])
    #expect(try place.labels("a.nii.gz").shape == Shape3D(16, 16, 16))
  }

  static let strange: [String: TestImage] = [
    "not a number": TestImage(voxel: { _ in .nan }),
    "some not a number": TestImage(voxel: { Int.random(in: 0..<9, using: &$0) == 0 ? .nan : 1 }),
    "infinite": TestImage(voxel: { Bool.random(using: &$0) ? .infinity : 1 }),
    "near the largest number": TestImage(voxel: { Float.random(in: 0..<3e38, using: &$0) }),
    "zero": TestImage(voxel: { _ in 0 }),
    "constant": TestImage(voxel: { _ in 7 }),
    "one voxel": TestImage(shape: Shape3D(1, 1, 1)),
    "one slice": TestImage(shape: Shape3D(1, 9, 12)),
    "one row": TestImage(shape: Shape3D(9, 1, 12)),
    "one column": TestImage(shape: Shape3D(9, 12, 1)),
    "no spacing": TestImage(spacing: 0),
    "spacing that is not a number": TestImage(spacing: .nan),
  ]

  @Test(arguments: strange.keys.sorted())
  func aStrangeImageIsSegmented(_ name: String) throws {
    let image = try #require(Self.strange[name])
    let place = try Workplace(["a_0000.nii.gz": image.gzipped])
    let run = try place.predict()
    #expect(run.status == 0, "\(run.errors)")
    #expect(place.results == ["a.nii.gz"])
    let labels = try place.labels("a.nii.gz")
    #expect(labels.shape == image.shape)
    #expect(labels.maximum <= 2)
  }

  @Test func channelsMustFitTheModelAndEachOther() throws {
    let good = try TestImage.good
    let place = try Workplace()
    try place.copyModel()
    try place.setCheckpoint(Path.read(Workplace.resource("checkpoints/more_channels.pth")))
    try place.edit("dataset.json", #""0": "channel0""#, #""0": "channel0", "1": "channel1""#)
    try place.edit("plans.json", #""ZScoreNormalization""#, #""ZScoreNormalization", "ZScoreNormalization""#)
    try place.edit("plans.json", #""use_mask_for_norm""#, #""unused""#)
    for name in ["complete", "missing", "extra", "shape", "spacing"] { try place.add("\(name)_0000.nii.gz", good) }
    for name in ["complete", "extra"] { try place.add("\(name)_0001.nii.gz", good) }
    try place.add("extra_0002.nii.gz", good)
    try place.add("shape_0001.nii.gz", TestImage(shape: Shape3D(16, 15, 16)).gzipped)
    try place.add("spacing_0001.nii.gz", TestImage(spacing: 1.1).gzipped)
    let run = try place.predict()
    #expect(run.status == 65)
    #expect(place.results == ["complete.nii.gz"])
    #expect(run.complaints("missing_0000.nii.gz", "1 channel", "wants 2") == 1)
    #expect(run.complaints("extra_0000.nii.gz", "3 channel", "wants 2") == 1)
    #expect(run.complaints("shape_0001.nii.gz") == 1, "\(run.errors)")
    #expect(run.complaints("spacing_0001.nii.gz") == 1, "\(run.errors)")
    #expect(run.complaints("4 of 5 cases failed") == 1)
  }

  @Test func aFileWithoutChannelSuffixIsReported() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good, "b.nii.gz": TestImage.good])
    let run = try place.predict()
    #expect(run.status == 65)
    #expect(run.complaints("b.nii.gz", "channel suffix") == 1)
    #expect(run.complaints("1 of 2 cases failed") == 1)
    #expect(place.results == ["a.nii.gz"])
  }

  @Test(arguments: [["a_0000.nrrd"], ["notes.txt"], []])
  func aFolderWithoutCasesIsReported(_ names: [String]) throws {
    let place = try Workplace()
    for name in names { try place.add(name, TestImage.good) }
    let run = try place.predict()
    #expect(run.status == 66)
    #expect(run.complaints(place.input, "no cases", "_0000.nii.gz") == 1)
    #expect(!Path.exists(place.output))
  }

  @Test func inputsThatAreNotThereAreReported() throws {
    let place = try Workplace(["a_0000.nrrd": TestImage.good])
    let missing = try Program.run(
      ["predict", "-i", place.folder("nothing"), "-o", place.output, "-m", place.model] + Workplace.quick)
    #expect(missing.status == 66)
    #expect(missing.complaints(place.folder("nothing"), "does not exist") == 1)
    let wrong = try Program.run(
      ["predict", "-i", Path.join(place.input, "a_0000.nrrd"), "-o", place.output, "-m", place.model] + Workplace.quick)
    #expect(wrong.status == 65)
    #expect(wrong.complaints("a_0000.nrrd", ".nii.gz") == 1)
  }
}
