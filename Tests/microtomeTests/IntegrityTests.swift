import Basics
import Imaging
import TestSupport
import Testing

/// Everything that the check of a raw dataset must find, by the names users see.
@Suite struct IntegrityTests {
  private let place: TrainingPlace

  init() throws { place = try TrainingPlace(cases: 2, prepares: false) }

  private func verify() throws -> ProgramRun {
    try place.run(["fingerprint", "-d", "8", "--verify_dataset_integrity", "--clean"])
  }

  private func describe(_ change: (String) -> String) throws {
    try place.write(change(TrainingPlace.description(2)), to: "\(place.raw)/dataset.json")
  }

  private func finds(_ status: Int32, _ phrases: String..., location: SourceLocation = #_sourceLocation) throws {
    let run = try verify()
    #expect(run.status == status, "\(run.errors)", sourceLocation: location)
    for phrase in phrases { #expect(run.errors.contains(phrase), "\(run.errors)", sourceLocation: location) }
    #expect(!Path.exists("\(place.preprocessed)/dataset_fingerprint.json"), sourceLocation: location)
  }

  @Test func aGoodDatasetPasses() throws {
    let run = try verify()
    #expect(run.status == 0 && run.output.contains("nothing is wrong") && run.errors.isEmpty, "\(run.errors)")
  }

  @Test func descriptions() throws {
    try describe { $0.replacing(#""labels""#, with: #""tags""#) }
    try finds(65, "\"labels\" is missing")
    try describe { $0.replacing(#""file_ending""#, with: #""ending""#) }
    try finds(65, "\"file_ending\" is missing")
    try describe { $0.replacing(#""numTraining": 2,"#, with: "") }
    try finds(65, "\"numTraining\" is missing")
    try describe { $0.replacing(#""numTraining": 2,"#, with: #""numTraining": 3,"#) }
    try finds(65, "\"numTraining\" is 3, but there are 2")
    try describe { $0.replacing("channel_names", with: "modality") }
    try finds(65, "\"channel_names\" is missing", "modality")
    try describe { $0.replacing(#""dark": 2"#, with: #""dark": 4"#) }
    try finds(65, "0, 1, 4 are not consecutive")
    try describe { $0.replacing(#""dark": 2"#, with: #""dark": 2, "ignore": 7"#) }
    try finds(65, "\"ignore\"")
    try describe { $0.replacing(#""background": 0,"#, with: "") }
    try finds(65, "\"background\"")
    try describe { String($0.dropLast(4)) }
    try finds(65, "dataset.json")
    Path.removeTree("\(place.raw)/dataset.json")
    try finds(66, "dataset.json")
  }

  /// What is wrong with the first case must not hide what is wrong with the others.
  @Test func anUnreadableFirstImage() throws {
    try AtomicFile.write([1, 2, 3], to: "\(place.raw)/imagesTr/box0_0000.nii.gz")
    Path.removeTree("\(place.raw)/labelsTr/box1.nii.gz")
    try finds(65, "imagesTr/box0_0000.nii.gz", "labelsTr/box1.nii.gz")
  }

  /// Archives lie beside datasets; they do not count as such.
  @Test func archivesAreNoDatasets() throws {
    try AtomicFile.write([1], to: place.folder("raw/Dataset008_Boxes.zip"))
    #expect(try verify().status == 0)
  }

  @Test func foldersAndFiles() throws {
    Path.removeTree("\(place.raw)/labelsTr/box1.nii.gz")
    try finds(65, "labelsTr/box1.nii.gz", "does not exist")
    Path.removeTree("\(place.raw)/labelsTr")
    try finds(65, "labelsTr/box0.nii.gz", "does not exist")
    Path.removeTree("\(place.raw)/imagesTr")
    try finds(66, "imagesTr", "does not exist")
    let listed = #""dataset": {"a": {"images": ["x_0000.nii.gz"], "label": "y.nii.gz"}}, "labels""#
    try describe {
      $0.replacing(#""labels""#, with: listed).replacing(#""numTraining": 2"#, with: #""numTraining": 1"#)
    }
    try finds(66, "x_0000.nii.gz")
  }

  @Test func imagesAndLabels() throws {
    var labels = TrainingPlace.scan(0).labels
    labels.values?[3] = 1.5
    labels.values?[4] = 9
    labels.spacing = 1.01
    try AtomicFile.write(labels.gzipped, to: "\(place.raw)/labelsTr/box0.nii.gz")
    try AtomicFile.write(TrainingPlace.scan(1).image.gzipped, to: "\(place.raw)/imagesTr/box1_0001.nii.gz")
    try finds(
      65, "1.5, 9, which are no labels", "has the spacing",
      "box1_0000.nii.gz: the case has 2 channel(s), dataset.json names 1")
    // One voxel less along one axis.
    let smaller = Shape3D(12, 18, 16)
    let cut = TestImage(shape: smaller, values: [Float](repeating: 0, count: smaller.count))
    try AtomicFile.write(cut.gzipped, to: "\(place.raw)/labelsTr/box0.nii.gz")
    try finds(65, "has 12x18x16 voxels, its image 12x18x17")
  }

  /// The file of a channel that is named must be the one that is to be mended.
  @Test func theChannelThatHoldsNoNumberIsNamed() throws {
    let header = "NRRD0004\ntype: float\ndimension: 3\nsizes: 17 18 12\nencoding: raw\nendian: little\n\n"
    for index in 0...1 {
      for channel in 0...1 {
        var values = [Float](repeating: 1, count: 12 * 18 * 17)
        if index == 1, channel == 1 { values[3] = .nan }
        let bytes = values.withUnsafeBytes { Array(header.utf8) + Array($0) }
        try AtomicFile.write(bytes, to: "\(place.raw)/imagesTr/box\(index)_000\(channel).nrrd")
      }
      let labels = [Float](repeating: 0, count: 12 * 18 * 17).withUnsafeBytes { Array(header.utf8) + Array($0) }
      try AtomicFile.write(labels, to: "\(place.raw)/labelsTr/box\(index).nrrd")
    }
    try describe {
      $0.replacing(".nii.gz", with: ".nrrd").replacing(#""0": "#, with: #""1": "other", "0": "#)
    }
    try finds(65, "imagesTr/box1_0001.nrrd: 1 voxels are NaN")
  }

  /// In NIfTI files they are read as 0, as in ITK; other formats keep them.
  @Test func voxelsThatAreNoNumbers() throws {
    for index in 0...1 {
      let (image, labels) = TrainingPlace.scan(index)
      for (test, folder, suffix) in [(image, "imagesTr", "_0000"), (labels, "labelsTr", "")] {
        var values = try #require(test.values)
        if index == 0 { values[7] = .nan }
        let header = """
          NRRD0004
          type: float
          dimension: 3
          sizes: \(test.shape.x) \(test.shape.y) \(test.shape.z)
          encoding: raw
          endian: little
          space: left-posterior-superior
          space directions: (1,0,0) (0,1,0) (0,0,1)
          space origin: (0,0,0)


          """
        let bytes = values.withUnsafeBytes { Array(header.utf8) + Array($0) }
        try AtomicFile.write(bytes, to: "\(place.raw)/\(folder)/box\(index)\(suffix).nrrd")
      }
    }
    try describe { $0.replacing(".nii.gz", with: ".nrrd") }
    try finds(65, "imagesTr/box0_0000.nrrd: 1 voxels are NaN", "labelsTr/box0.nrrd: 1 voxels are NaN")
  }
}
