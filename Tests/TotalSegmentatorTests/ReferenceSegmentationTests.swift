import Basics
import Engines
import Evaluation
import Imaging
import TestSupport
import Testing

@testable import TotalSegmentator

/// Small networks on real scans, compared with what TotalSegmentator 2.18 wrote for them.
struct ReferenceSegmentation: Sendable, CustomTestStringConvertible {
  /// The file or the folder with the original's answer, and the name in reports.
  let testDescription: String
  let image: String
  var options = TaskOptions()

  init(_ answer: String, image: String = "example_ct", _ adjust: (inout TaskOptions) -> Void) {
    testDescription = answer
    self.image = image
    options.compile.precision = .fp32
    adjust(&options)
  }

  static let files = [
    ReferenceSegmentation("fast_ml") { $0.fast = true },
    ReferenceSegmentation("fastest_ml") { $0.fastest = true },
    ReferenceSegmentation("fast_roi") { ($0.fast, $0.subset) = (true, ["liver", "kidney_right"]) },
    ReferenceSegmentation("fast_ho") { ($0.fast, $0.resampling) = (true, .byNetwork) },
    ReferenceSegmentation("full_sm", image: "example_ct_sm") { _ in },
    ReferenceSegmentation("full_ml") { _ in },
  ]

  static func answer(_ name: String) -> String { ReferenceData.data("totalseg/reference/\(name)") }

  /// Segments the image as the original did.
  func run(to destination: TaskCase.Destination, statistics: String? = nil) throws {
    let item = TaskCase(
      identifier: testDescription, image: ReferenceData.data("totalseg/images/\(image).nii.gz"),
      segmentation: destination, statistics: statistics)
    let store = WeightStore(
      catalogue: try .builtIn(),
      folders: TotalSegmentatorFolders(weights: ReferenceData.data("totalseg/weights"), environment: { _ in nil }))
    let run = try TaskRun(
      weights: store, engine: InstalledOpenVINO.require(), options: options, output: TaskRun.Output()
    ) { _ in }
    let summary = try run.run([item])
    #expect(summary.finished == 1, "\(summary.failures)")
  }
}

@Suite(
  .serialized, .enabled(if: ReferenceData.isPresent, ReferenceData.absence),
  .enabled(if: InstalledOpenVINO.engine != nil, InstalledOpenVINO.absence))
struct ReferenceSegmentationTests {
  @Test(arguments: ReferenceSegmentation.files)
  func labelsAndHeadersAreTheReferences(reference: ReferenceSegmentation) throws {
    let folder = try TemporaryFolder()
    let name = reference.testDescription
    let statistics = ReferenceSegmentation.answer(name + "_statistics.json")
    let measures = Path.exists(statistics)
    try reference.run(to: .file(folder("labels.nii.gz")), statistics: measures ? folder("statistics.json") : nil)
    let ours = try StoredLabels(folder("labels.nii.gz"))
    let theirs = try StoredLabels(ReferenceSegmentation.answer(name + ".nii.gz"))
    try expectSame(ours, theirs, name)
    if measures { try expectSameStatistics(folder("statistics.json"), statistics, ours == theirs) }
  }

  @Test func masksAreTheReferences() throws {
    let folder = try TemporaryFolder()
    let reference = ReferenceSegmentation("fast_dir", image: "example_ct_sm") { $0.fast = true }
    try reference.run(to: .folder(folder("masks")), statistics: folder("masks/statistics.json"))
    let answer = ReferenceSegmentation.answer("fast_dir")
    let names = try Path.list(answer)
    #expect(try Path.list(folder("masks")) == names && names.count == 118)
    var areEqual = true
    for name in names where name.hasSuffix(".nii.gz") {
      let ours = try StoredLabels(Path.join(folder("masks"), name))
      let theirs = try StoredLabels(Path.join(answer, name))
      try expectSame(ours, theirs, name)
      areEqual = areEqual && ours == theirs
    }
    try expectSameStatistics(folder("masks/statistics.json"), Path.join(answer, "statistics.json"), areEqual)
  }

  /// The promise is a Dice of 0.999 for every class. A class of few voxels may miss it by a near-tie between classes that
  /// a convolution in another order of summation turns round, so this allows one such voxel.
  private func expectSame(_ ours: StoredLabels, _ theirs: StoredLabels, _ name: String) throws {
    #expect(ours.header == theirs.header, "\(name)")
    #expect(ours.voxels.count == theirs.voxels.count)
    let shape = Shape3D(1, 1, ours.voxels.count)
    let confusion = try LabelConfusion(
      prediction: .uint8(Volume(shape: shape, elements: ours.voxels)),
      reference: .uint8(Volume(shape: shape, elements: theirs.voxels)))
    for label in confusion.labels where label != 0 {
      let overlap = confusion.overlap(of: label)
      let different = overlap.falsePositives + overlap.falseNegatives
      #expect(overlap.dice >= 0.999 || different <= 1, "\(name), label \(label): \(overlap)")
    }
  }

  /// Volumes are the same numbers where labels are; intensities are rounded to five digits.
  private func expectSameStatistics(_ path: String, _ answer: String, _ labelsAreEqual: Bool) throws {
    let ours = try #require(JSON.read(path).object)
    let theirs = try #require(JSON.read(answer).object)
    #expect(ours.keys == theirs.keys)
    for (name, expected) in theirs.members {
      #expect(ours[name]?.object?.keys == expected.object?.keys)
      for (key, slack) in [("volume", labelsAreEqual ? 0 : 2e-3), ("intensity", labelsAreEqual ? 0 : 1e-2)] {
        let (a, b) = (try #require(ours[name]?[key]?.double), try #require(expected[key]?.double))
        #expect(abs(a - b) <= slack * max(1, abs(b)) + (key == "volume" ? 0 : 1.1e-5), "\(name) \(key): \(a), not \(b)")
      }
    }
  }
}

/// A NIfTI file of labels taken apart: what comes before the voxels, and the voxels as 8-bit labels.
struct StoredLabels: Equatable {
  let header: [UInt8]
  let voxels: [UInt8]

  init(_ path: String) throws {
    let bytes = try Path.read(path).withUnsafeBytes { try Gzip.decompress($0) }
    let offset = Int(Float(bitPattern: bytes[108..<112].reversed().reduce(0) { $0 << 8 | UInt32($1) }))
    header = Array(bytes[..<offset])
    voxels = Array(bytes[offset...])
  }
}
